/** Links the Node among the dependencies to node_modules/.bin/node. */
export function linkNode(root: string): void;
