/**
 * Stack traces of the program without source maps. Import it before anything else.
 *
 * Pulumi's runner maps stacks to its TypeScript sources, which gives lines such as
 * `node_modules/@pulumi/resource.ts`. Node's coloured print of such an error (versions 20 to 24) appends the same text
 * until memory for one string is used up: every error of a program would take a minute to be shown.
 */
Reflect.deleteProperty(Error, "prepareStackTrace");
