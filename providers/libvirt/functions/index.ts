export { getDomainAddresses } from "./addresses.ts";
export { getHost } from "./host.ts";
