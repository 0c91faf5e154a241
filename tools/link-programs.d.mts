/** Links the Node among the dependencies to node_modules/.bin/node. */
export function linkNode(root: string): void;
/** Links the command of this checkout to node_modules/.bin/hyperlab. */
export function linkHyperlab(root: string): void;
