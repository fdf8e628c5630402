//! Our scripts as they are sent: what a page begins with as one file.
//!
//! Forty small modules are a pleasure to write, but forty requests take longer than what is in them, and each of them is compressed
//! by itself. So the modules that an entry imports, directly or not, are put into its own text, each inside a function that gives
//! what the module exports; a module that is imported later finds them there. No name is changed, nothing else is understood of the
//! language: our modules keep to the two forms that [`Module::read`] knows, which a test holds them to.

/// What a module says of itself, and the rest of it.
struct Module {
    /// What stands between the braces, and the file: `import { say, role as part } from "./dom.js";`
    imports: Vec<(String, String)>,
    /// Names behind `export function`, `export async function`, `export class` and `export const`.
    exports: Vec<String>,
    /// Everything but the imports, and without the word `export`.
    body: String,
}

impl Module {
    fn read(source: &str) -> Module {
        let mut module = Module { imports: Vec::new(), exports: Vec::new(), body: String::with_capacity(source.len()) };
        for line in source.lines() {
            if let Some((names, file)) = import(line) {
                module.imports.push((names.trim().replace(" as ", ": "), file.into()));
                continue;
            }
            let declared = line.strip_prefix("export ").unwrap_or(line);
            if declared.len() < line.len() {
                let name = declared.trim_start_matches("async ").split([' ', '(', '=']).nth(1);
                module.exports.extend(name.map(str::to_owned));
            }
            module.body.extend([declared, "\n"]);
        }
        module
    }

    /// The import of each module, as a line that takes the names out of `held`; of one that isn't held, the import itself.
    fn bindings(&self, held: &[String]) -> String {
        let bind = |(names, file): &(String, String)| match held.contains(file) {
            true => format!("const {{ {names} }} = held[\"{file}\"];\n"),
            false => format!("import {{ {} }} from \"./{file}\";\n", names.replace(": ", " as ")),
        };
        self.imports.iter().map(bind).collect()
    }
}

/// Names and file of an import.
fn import(line: &str) -> Option<(&str, &str)> {
    let (names, file) = line.strip_prefix("import {")?.split_once("} from \"./")?;
    Some((names, file.strip_suffix("\";")?))
}

/// An entry, and the modules that are sent with it.
pub(crate) struct Linked {
    entry: &'static str,
    /// Each comes after those that it imports; the entry is the last.
    modules: Vec<(String, Module)>,
    held: Vec<String>,
}

impl Linked {
    /// `source` gives a module by name, with one import a line.
    pub(crate) fn new(entry: &'static str, source: &impl Fn(&str) -> Option<String>) -> Linked {
        let mut linked = Linked { entry, modules: Vec::new(), held: Vec::new() };
        linked.add(entry, source);
        linked
    }

    fn add(&mut self, name: &str, source: &impl Fn(&str) -> Option<String>) {
        let Some(text) = source(name).filter(|_| !self.held.iter().any(|held| held == name)) else { return };
        self.held.push(name.into());
        let module = Module::read(&text);
        for (_, file) in &module.imports {
            self.add(file, source);
        }
        self.modules.push((name.into(), module));
    }

    /// The entry with all that it imports.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from("export const held = {};\n");
        for (name, module) in &self.modules {
            let (bindings, exports) = (module.bindings(&self.held), module.exports.join(", "));
            out.extend(["held[\"", name, "\"] = (() => {\n", &bindings, &module.body]);
            out.extend(["return { ", &exports, " };\n})();\n"]);
        }
        out
    }

    /// Another module as it is sent: what the entry holds is taken from there, whether it is asked for or imported.
    pub(crate) fn module(&self, name: &str, source: &str) -> String {
        let held = format!("import {{ held }} from \"./{}\";\n", self.entry);
        if let Some((_, module)) = self.modules.iter().find(|(known, _)| known == name) {
            return format!("{held}export const {{ {} }} = held[\"{name}\"];\n", module.exports.join(", "));
        }
        let module = Module::read(source);
        if module.imports.is_empty() && module.exports.is_empty() {
            return source.into(); // a plain script
        }
        let rest = source.lines().filter(|line| import(line).is_none()).map(|line| format!("{line}\n"));
        [held, module.bindings(&self.held)].into_iter().chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets;

    const DOM: &str = "export const SIDE = 2;\nexport function say(text) {\nreturn text;\n}\n";
    const PAGE: &str = "import { say, SIDE as side } from \"./dom.js\";\nimport { later } from \"./later.js\";\nexport class Page {\n}\nsay(side);\n";
    const LATER: &str = "export async function later() {\n}\n";
    const DRAW: &str =
        "import { say } from \"./dom.js\";\nimport { toCsv } from \"./csv.js\";\nexport const draw = say(toCsv);\n";

    fn source(name: &str) -> Option<String> {
        let all = [("dom.js", DOM), ("page.js", PAGE), ("later.js", LATER), ("draw.js", DRAW)];
        all.iter().find(|(known, _)| *known == name).map(|(_, text)| text.to_string())
    }

    #[test]
    fn an_entry_has_what_it_imports_in_front_of_it_and_others_find_it_there() {
        let linked = Linked::new("page.js", &source);
        assert_eq!(
            linked.text(),
            "export const held = {};\n\
             held[\"dom.js\"] = (() => {\nconst SIDE = 2;\nfunction say(text) {\nreturn text;\n}\nreturn { SIDE, say };\n})();\n\
             held[\"later.js\"] = (() => {\nasync function later() {\n}\nreturn { later };\n})();\n\
             held[\"page.js\"] = (() => {\nconst { say, SIDE: side } = held[\"dom.js\"];\nconst { later } = held[\"later.js\"];\n\
             class Page {\n}\nsay(side);\nreturn { Page };\n})();\n"
        );
        let held = "import { held } from \"./page.js\";\n";
        assert_eq!(linked.module("dom.js", DOM), format!("{held}export const {{ SIDE, say }} = held[\"dom.js\"];\n"));
        assert_eq!(
            linked.module("draw.js", DRAW),
            format!(
                "{held}const {{ say }} = held[\"dom.js\"];\nimport {{ toCsv }} from \"./csv.js\";\nexport const draw = say(toCsv);\n"
            )
        );
        assert_eq!(linked.module("head.js", "go();\n"), "go();\n");
    }

    /// What would make a page stand still: a module in another form than those that are understood here.
    #[test]
    fn every_module_of_ours_can_be_linked() {
        for name in assets::scripts() {
            let text = assets::plain(&format!("js/{name}")).unwrap();
            let module = Module::read(&text);
            let imports = text.matches("from \"./").count();
            assert_eq!(
                module.imports.len(),
                imports,
                "{name}: an import that is no line of its own, with names in braces"
            );
            for line in text.lines().filter(|line| line.starts_with("export ")) {
                let words = ["function ", "async function ", "class ", "const "];
                assert!(words.iter().any(|word| line[7..].starts_with(word)), "{name}: {line}");
            }
            assert!(!text.contains("import.meta") && !text.contains("import * as"), "{name}");
            // Each one is there before those that import it: no ring of imports.
            let linked = Linked::new("main.js", &|wanted| assets::plain(&format!("js/{wanted}")));
            for (at, (this, module)) in linked.modules.iter().enumerate() {
                for (_, file) in &module.imports {
                    assert!(
                        linked.modules[..at].iter().any(|(before, _)| before == file),
                        "{this} and {file} import each other"
                    );
                }
            }
        }
    }
}
