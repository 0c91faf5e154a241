export { StackIdentity } from "./stack-identity.ts";
