/** The entry point `holdfast/otel`: spans and metrics of OpenTelemetry. */
export { instrument, type InstrumentOptions } from "./otel/instrument.ts";
