import { killTimers, timersOnce } from "../suites/timer-processes.ts";
import { onServer } from "../support/places.ts";

await onServer("postgres", (place) => {
  timersOnce(place);
  killTimers(place, 6);
});
