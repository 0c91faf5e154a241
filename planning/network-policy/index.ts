export { firewallRules } from "./rules.ts";
export { answers, SERVICES, type Service, servicesOf, servicesTable } from "./services.ts";
