// What may follow in a query: fields, operators, values. Pure; the server's parser is the judge of what is right.

const OPERATORS = {
  number: [">", ">=", "<", "<=", "=", "!=", "in"],
  time: [">", "<", "=", ">=", "<="],
  text: ["~", "=", "!=", "in"],
  word: ["=", "!=", "in"],
  tags: ["=", "!=", "~", "in"],
  flag: ["=", "!="],
};
const EXAMPLES = { time: ["today", "yesterday", "-1h", "-7d"], flag: ["true", "false"] };
const TOKEN = /"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[<>!]=?|[()=~,]|[^\s()=!<>~,"']+/g;
const MOST = 12;

/** The tokens of a text: [{text, start, end}…]. */
export function tokensOf(text) {
  return [...text.matchAll(TOKEN)].map((match) => ({ text: match[0], start: match.index, end: match.index + match[0].length }));
}

const isOperator = (token) => /^([<>!]=?|[=~])$/.test(token) || token.toLowerCase() === "in";
const isJoint = (token) => ["and", "or", "not", "("].includes(token.toLowerCase());
const quoted = (value) => (/^[^\s()=!<>~,"']+$/.test(value) ? value : `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`);

/**
 * What fits at `caret`: {from, to, items: [{text, label, help}…]}, to be put in place of from…to. `fields` are the
 * server's; `values(field)` gives known values of a field, the most frequent first.
 */
export function complete(text, caret, fields, values = () => []) {
  const before = tokensOf(text.slice(0, caret));
  const typed = before.length && before.at(-1).end === caret && !/^[()=~,<>!]/.test(before.at(-1).text) ? before.pop() : null;
  const from = typed?.start ?? caret;
  const start = (typed?.text ?? "").replace(/^["']/, "").toLowerCase();
  const named = (name) => fields.find((field) => field.name === name.toLowerCase() || field.aliases.includes(name.toLowerCase()));
  const last = before.at(-1)?.text ?? "";
  const begins = (item) => item.text.replace(/^"/, "").toLowerCase().startsWith(start);
  const fits = (item) => begins(item) || (start.length > 1 && item.label.toLowerCase().includes(start));
  const all = () => {
    const list = openList(before);
    if (list && (last === "(" || last === ",")) return valuesOf(named(list), values);
    if (isOperator(last)) return last.toLowerCase() === "in" ? [{ text: "(", label: "(", help: "one of several" }] : valuesOf(named(before.at(-2)?.text ?? ""), values);
    const field = named(last);
    if (field && (isJoint(before.at(-2)?.text ?? "and") || before.at(-2)?.text === ")"))
      return (OPERATORS[field.kind] ?? []).map((text) => ({ text, label: text, help: OPERATOR_HELP[text] }));
    const names = fields.filter((f) => f.kind !== "curve").map((f) => ({ text: f.aliases[0]?.length < f.name.length && !f.aliases[0].endsWith("_ms") ? f.aliases[0] : f.name, label: f.label, help: f.help }));
    return isJoint(last) || !last ? names : [{ text: "and", label: "and", help: "" }, { text: "or", label: "or", help: "" }, ...names];
  };
  const items = all().filter(fits).sort((a, b) => begins(b) - begins(a)).slice(0, MOST);
  // What stands there already needs no completion.
  if (items.length === 1 && items[0].text.toLowerCase() === (typed?.text ?? "").toLowerCase()) items.length = 0;
  return { from, to: caret, items };
}

const OPERATOR_HELP = { "=": "is", "!=": "is not", "~": "contains", in: "one of several", ">": "more than", ">=": "at least", "<": "less than", "<=": "at most" };

/** The field whose list `in (…` is still open, or null. */
function openList(tokens) {
  for (let i = tokens.length - 1; i > 1; i--) {
    if (tokens[i].text === ")") return null;
    if (tokens[i].text === "(") return tokens[i - 1].text.toLowerCase() === "in" ? tokens[i - 2].text : null;
  }
  return null;
}

function valuesOf(field, values) {
  if (!field) return [];
  const known = field.values.length ? field.values : (EXAMPLES[field.kind] ?? values(field.name));
  return known.map((value) => ({ text: quoted(value), label: value, help: "" }));
}
