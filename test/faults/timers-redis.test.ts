import { killTimers, timersOnce } from "../suites/timer-processes.ts";
import { onServer } from "../support/places.ts";

await onServer("redis", (place) => {
  timersOnce(place);
  killTimers(place);
});
