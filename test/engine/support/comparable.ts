/**
 * A definition or name without what is random or counted in every object: generations, addresses of bridges, numbers of
 * running domains and of their network devices. MACs that begin with `macs` are declared, and stay.
 */
export function comparableDefinition(text: string, macs: string): string {
  return text
    .replaceAll(/[0-9a-f]{16}(?![0-9a-f-])/g, "GENERATION")
    .replaceAll(new RegExp(`<mac address='52:54:00:(?!${macs.slice("52:54:00:".length)})[^']+'`, "g"), "MAC")
    .replaceAll(/domain-\d+-/g, "domain-")
    .replaceAll(/vnet\d+/g, "vnet");
}
