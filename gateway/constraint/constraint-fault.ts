/** Why something cannot become a constraint: what is wrong, as the end of a sentence. */
export class ConstraintFault extends Error {}
