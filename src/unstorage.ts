/**
 * The entry point `holdfast/unstorage`.
 */
export { holdfastDriver, type DriverOptions } from "./adapters/unstorage/driver.ts";
