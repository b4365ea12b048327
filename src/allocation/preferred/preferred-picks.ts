/** What is left to choose once the required positions are in: `picks` of the free ones, 0 ≤ picks ≤ count. */
export interface PickQuestion {
  readonly count: number;
  readonly picks: number;
  /** Row by row, `count` × `count`. */
  readonly scores: Int32Array;
  /** Sum of each one's scores with the required positions. */
  readonly gains: Float64Array;
  /** Sum of each one's scores with all candidates: what is lost to those that stay outside, and more the better it is joined. */
  readonly degrees: Float64Array;
}

/** Some picks, ascending, and how good they are. */
export interface Picks {
  readonly picks: readonly number[];
  /** Sum of the gains and of the scores between the picks. */
  readonly inside: number;
  /** Sum of the degrees. */
  readonly degree: number;
}
