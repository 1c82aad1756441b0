import {
  type Hits,
  HitsDraft,
  NO_HITS,
  enrich,
  intersect,
  scale,
  subtract,
  uniteAll,
  unscored,
} from "./hits.ts";
import { type IndexData, ordinalOf } from "./index-data.ts";
import { isNear } from "./nearness.ts";
import type { EveryPlan, Plan, TermPlan } from "./plan.ts";
import { inverseFrequency, termScorer, type TermScore } from "./score.ts";

/** Finds and scores the documents of a plan, without the documents' own scores. */
export function evaluate(data: IndexData, plan: Plan): Hits {
  return new Evaluation(data).run(plan);
}

class Evaluation {
  readonly #data: IndexData;
  readonly #score: TermScore;

  constructor(data: IndexData) {
    this.#data = data;
    this.#score = termScorer(data.documents);
  }

  run(plan: Plan): Hits {
    switch (plan.kind) {
      case "none":
        return NO_HITS;
      case "all":
        return this.#all(plan.weight);
      case "term":
        return this.#term(plan);
      case "documents":
        return unscored(plan.documents);
      case "union": {
        const parts = plan.parts.map((part) => this.run(part));
        return scale(uniteAll(parts, plan.best), plan.weight);
      }
      case "every":
        return this.#every(plan);
      case "not":
        return subtract(this.#all(0), this.run(plan.part));
      case "optional":
        return enrich(this.#all(0), this.run(plan.part));
    }
  }

  #all(weight: number): Hits {
    const { documents } = this.#data;
    const draft = new HitsDraft(documents.size);
    for (let number = 0; number < documents.next; number++) {
      if (documents.isPresent(number)) draft.push(number, weight * this.#score(1, 1, number));
    }
    return draft.finish();
  }

  #term(plan: TermPlan): Hits {
    const { posting, fields, weight } = plan;
    const { documents } = this.#data;
    const inverse = weight * inverseFrequency(documents.size, posting.live);
    const draft = new HitsDraft(posting.live);
    const isWanted = fields && ((position: number) => fields.has(ordinalOf(position)));
    posting.forEach((document, frequency, entry) => {
      if (!documents.isPresent(document)) return;
      if (isWanted !== undefined && !posting.hasPosition(entry, isWanted)) return;
      draft.push(document, this.#score(inverse, frequency, document));
    });
    return draft.finish();
  }

  #every(plan: EveryPlan): Hits {
    const needed = plan.parts.filter((part) => part.kind !== "not" && part.kind !== "optional");
    let hits: Hits | undefined;
    for (const part of needed) {
      const found = this.run(part);
      hits = hits === undefined ? found : intersect(hits, found);
      if (hits.documents.length === 0) return NO_HITS;
    }
    hits ??= this.#all(0);
    for (const part of plan.parts) {
      if (part.kind === "not") hits = subtract(hits, this.run(part.part));
      if (part.kind === "optional") hits = enrich(hits, this.run(part.part));
    }
    return scale(near(hits, plan), plan.weight);
  }
}

function near(hits: Hits, plan: EveryPlan): Hits {
  const { slop, inOrder, parts } = plan;
  if (slop === undefined || parts.length < 2) return hits;
  const draft = new HitsDraft(hits.documents.length);
  for (const [at, document] of hits.documents.entries()) {
    if (isNear(parts, document, slop, inOrder)) draft.push(document, hits.scores[at] ?? 0);
  }
  return draft.finish();
}
