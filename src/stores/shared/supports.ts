/** What every store of this package supports. */
import type { StoreSupports } from "../contract.ts";

/** The part of `supports` in which the stores do not differ. */
export const EVERY_STORE: Omit<StoreSupports, "durable" | "transactions" | "watch" | "shared"> = {
  ttl: true,
  list: true,
  exclusive: true,
  renewal: true,
  tombstonesEnd: true,
  reverse: true,
  history: true,
};
