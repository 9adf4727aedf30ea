// Every keyword of JSON Schema and what becomes of it. A keyword that is not in the table is refused as an unknown one.

/** `served`: decides what may be generated. `annotation`: changes nothing that a value is checked for. `refused`: see `reason`. */
export interface Keyword {
  readonly name: string;
  readonly treatment: 'served' | 'annotation' | 'refused';
  /** What is special about it, or why it is refused. */
  readonly note: string;
}

export const KEYWORDS: readonly Keyword[] = [
  served('type', 'one type or a list'),
  served('enum', 'at most 5,000 values'),
  served('const', ''),
  served('$ref', 'inside the schema: JSON pointers and anchors; may be recursive'),
  served('$defs', ''),
  served('definitions', 'older name of `$defs`'),
  served('$anchor', ''),
  served('anyOf', ''),
  served('oneOf', 'where no value can fit two branches'),
  served('allOf', ''),
  served('properties', 'in the order in which they are declared, before all others'),
  served('patternProperties', ''),
  served('additionalProperties', ''),
  served('propertyNames', 'with `pattern`, `enum`, `const`, `format` and lengths'),
  served('required', ''),
  served('minProperties', 'where it counts declared properties, or is 1'),
  served('maxProperties', ''),
  served('items', ''),
  served('prefixItems', ''),
  served('contains', 'without `maxContains`'),
  served('minContains', 'up to 8'),
  served('minItems', ''),
  served('maxItems', ''),
  served('minimum', 'numbers with bounds are written without exponents'),
  served('maximum', ''),
  served('exclusiveMinimum', ''),
  served('exclusiveMaximum', ''),
  served('multipleOf', 'where it has few remainders, such as 5, 0.25 or 0.01'),
  served('minLength', ''),
  served('maxLength', ''),
  served(
    'pattern',
    'ECMA-262 with flag u, without backreferences, lookbehind and word boundaries; lookahead at the start',
  ),
  served('format', 'those listed below'),

  annotation('title'),
  annotation('description'),
  annotation('default'),
  annotation('examples'),
  annotation('example', "OpenAPI's"),
  annotation('deprecated'),
  annotation('readOnly'),
  annotation('writeOnly'),
  annotation('$comment'),
  annotation('$schema', 'draft 7, 2019-09 or 2020-12'),
  annotation('$id', 'of the whole schema only'),
  annotation('contentEncoding', 'says how to read a string that is valid without it'),
  annotation('contentMediaType', 'likewise'),
  annotation('contentSchema', 'likewise'),
  annotation('discriminator', "OpenAPI's; the branches decide"),

  refused('not', 'everything but something cannot be written down in general'),
  refused('if', 'a condition on a value that is being written'),
  refused('then', 'belongs to `if`'),
  refused('else', 'belongs to `if`'),
  refused('uniqueItems', 'every item would have to be compared with all before it; `false` is served'),
  refused('maxContains', 'would need everything but `contains`'),
  refused('dependentRequired', 'a condition on other properties'),
  refused('dependentSchemas', 'a condition on other properties'),
  refused('dependencies', 'older name of both'),
  refused('unevaluatedProperties', 'depends on which branches fit; use `additionalProperties`'),
  refused('unevaluatedItems', 'depends on which branches fit; use `items`'),
  refused('additionalItems', 'older form of `items`; use `prefixItems` and `items`'),
  refused('$dynamicRef', 'depends on the way to a schema; use `$ref`'),
  refused('$dynamicAnchor', 'belongs to `$dynamicRef`'),
  refused('$recursiveRef', 'older form of `$dynamicRef`'),
  refused('$recursiveAnchor', 'belongs to `$recursiveRef`'),
  refused('$vocabulary', 'defines other dialects'),
  refused('nullable', "OpenAPI 3.0's; use `type` with `null`"),
];

function served(name: string, note: string): Keyword {
  return { name, treatment: 'served', note };
}

function annotation(name: string, note = ''): Keyword {
  return { name, treatment: 'annotation', note };
}

function refused(name: string, note: string): Keyword {
  return { name, treatment: 'refused', note };
}
