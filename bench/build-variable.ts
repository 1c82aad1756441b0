/** The environment variable that names the folder of the compiled library, for children as well. */
export const BUILD_VARIABLE = "HOLDFAST_BENCH_BUILD";
