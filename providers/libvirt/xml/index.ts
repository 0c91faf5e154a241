export { at, attribute, child, childrenOf, element, textAt, type XmlElement } from "./element.ts";
export { parseXml, XmlParseError } from "./parse.ts";
export { renderXml, renderXmlLine, XmlRenderError } from "./render.ts";
