//! The inner walls of a crate: which module uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules that each module uses.
type Walls = BTreeMap<String, BTreeSet<String>>;

/// Panics unless the sources of a crate use each other exactly as its `lib.rs` says, and without a
/// circle.
///
/// The list is the first block of `text` after the heading "Who knows whom": a line for each
/// module, as `round: config, stop`. A module stands above all that it uses, so there is no circle.
/// What tests use does not count.
pub fn assert_walls(crate_directory: &Path) {
    let sources = crate_directory.join("src");
    let list = fs::read_to_string(sources.join("lib.rs")).expect("lib.rs");
    let (order, listed) = listed(&list);
    assert_eq!(found(&sources), listed, "left: what {} uses; right: its lib.rs", sources.display());
    let place = |module: &String| order.iter().position(|other| other == module);
    for (module, used) in &listed {
        for other in used {
            assert!(place(module) < place(other), "lib.rs: {other} belongs below {module}");
        }
    }
}

/// Panics unless exactly these files of a crate's sources name another crate in their code.
pub fn assert_named_only_in(crate_directory: &Path, name: &str, files_that_may: &[&str]) {
    let sources = crate_directory.join("src");
    let names = |file: &PathBuf| {
        let source = fs::read_to_string(file).expect("a source");
        code(&source).split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
    };
    let files = files(&sources).into_iter().filter(names);
    let found: BTreeSet<PathBuf> = files
        .map(|file| file.strip_prefix(&sources).expect("a file in there").to_owned())
        .collect();
    let may: BTreeSet<PathBuf> = files_that_may.iter().map(PathBuf::from).collect();
    assert_eq!(found, may, "left: where {name} is named; right: where it may be");
}

/// The events of a crate's log catalogue, `log_events.rs`: the functions that log a line. Panics unless
/// each line has the name of its function as its event.
pub fn events(crate_directory: &Path) -> BTreeSet<String> {
    let catalogue = crate_directory.join("src/log_events.rs");
    events_in(&code(&fs::read_to_string(catalogue).expect("a log catalogue")))
}

fn events_in(catalogue: &str) -> BTreeSet<String> {
    let mut events = BTreeSet::new();
    for function in catalogue.split("\npub fn ").skip(1) {
        let name = identifier(function);
        let macros = ["error!(", "warn!(", "info!(", "debug!(", "trace!(", " log!("];
        let lines: usize = macros.iter().map(|line| function.matches(line).count()).sum();
        let named = function.matches(&format!("event = \"{name}\"")).count();
        assert_eq!(named, lines, "lines of {name} with its name, and all its lines");
        if lines > 0 {
            events.insert(name);
        }
    }
    events
}

/// The modules of the list in their order, and what each uses.
fn listed(lib: &str) -> (Vec<String>, Walls) {
    let section = lib.split("# Who knows whom").nth(1).expect("a heading \"Who knows whom\"");
    let block = section.split("```text\n").nth(1).and_then(|rest| rest.split("//! ```").next());
    let lines = block.expect("a block of text").lines();
    let mut order = Vec::new();
    let mut walls = Walls::new();
    for line in lines.filter_map(|line| line.strip_prefix("//! ")) {
        let (module, used) = line.split_once(':').expect("module: modules");
        let used = used.split(',').map(str::trim).filter(|name| !name.is_empty());
        walls.insert(module.to_owned(), used.map(str::to_owned).collect());
        order.push(module.to_owned());
    }
    (order, walls)
}

/// What the modules in a directory of sources use.
fn found(sources: &Path) -> Walls {
    let lib = fs::read_to_string(sources.join("lib.rs")).expect("lib.rs");
    let is_for_tests = |module: &str| lib.contains(&format!("#[cfg(test)]\nmod {module};"));
    let mut walls = Walls::new();
    for file in files(sources) {
        let path = file.strip_prefix(sources).expect("a file in there").with_extension("");
        let module = path.iter().next().expect("a name").to_str().expect("a plain name");
        if matches!(module, "lib" | "main") || is_for_tests(module) {
            continue;
        }
        let mut source = fs::read_to_string(&file).expect("a source");
        if file.parent() == Some(sources) {
            source = source.replace("super::", "crate::");
        }
        let mut used = used(&source);
        used.remove(module);
        walls.entry(module.to_owned()).or_default().extend(used);
    }
    walls
}

/// The files in a directory and below that hold more than tests.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("a file"));
    let paths = entries.map(|entry| entry.path());
    let paths = paths.filter(|path| path.file_stem().is_none_or(|stem| stem != "tests"));
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The modules of its own crate that a source uses.
fn used(source: &str) -> BTreeSet<String> {
    code(source).split("crate::").skip(1).flat_map(modules).collect()
}

/// A source without its comments and its tests.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// The modules after `crate::`: one, or several in braces.
fn modules(path: &str) -> Vec<String> {
    let mut starts = vec![0];
    if path.starts_with('{') {
        let mut depth = 0;
        for (place, character) in path.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            match (depth, character) {
                (0, _) => break,
                (1, '{' | ',') => starts.push(place + 1),
                _ => {}
            }
        }
    }
    let names = starts.iter().map(|start| identifier(path[*start..].trim_start()));
    names.filter(|name| !name.is_empty()).collect()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_use_a_module_is_seen() {
        for (source, expected) in [
            ("use crate::config;", &["config"][..]),
            ("use crate::{a::{b::{c}, d}, e};", &["a", "e"]),
            (
                "use crate::config::{Config, id::Id};\npub(crate) use crate::stop::*;",
                &["config", "stop"],
            ),
            ("use crate::{log_events, main_loop};", &["log_events", "main_loop"]),
            ("use crate::{\n    a::{B, c::D},\n    e,\n};\nuse std::f;", &["a", "e"]),
            ("fn f() -> crate::round::Failure { crate::stop::now() }", &["round", "stop"]),
            ("//! See [`crate::config`].\n    // use crate::stop;\n", &[]),
            ("use crate::a;\n#[cfg(test)]\nmod tests {\n    use crate::b;\n}", &["a"]),
        ] {
            let expected = expected.iter().map(ToString::to_string).collect();
            assert_eq!(used(source), expected, "{source}");
        }
    }

    #[test]
    fn functions_that_log_a_line_are_events() {
        let catalogue =
            "\npub fn came(peer: Peer) {\n    info!(event = \"came\", peer; \"{peer}\");\n}
            \npub fn is_logged() -> bool {\n    log_enabled!(Level::Info)\n}\n";
        assert_eq!(events_in(catalogue), BTreeSet::from(["came".to_owned()]));
    }

    #[test]
    #[should_panic(expected = "lines of came with its name")]
    fn a_line_with_another_name_is_noticed() {
        events_in("\npub fn came() {\n    info!(event = \"went\"; \"\");\n}\n");
    }

    #[test]
    fn the_list_is_read_in_its_order() {
        let lib = "//! # Who knows whom\n//!\n//! Words.\n//!\n//! ```text\n//! b: a, c\n//! a:\n//! c:\n//! ```\n//!\n";
        let (order, walls) = listed(lib);
        assert_eq!(order, ["b", "a", "c"]);
        assert_eq!(walls["b"], BTreeSet::from(["a".to_owned(), "c".to_owned()]));
        assert!(walls["a"].is_empty() && walls["c"].is_empty());
    }

    /// This crate uses echo-common, so echo-common's own tests cannot use this crate.
    #[test]
    fn a_module_of_echo_common_uses_only_what_the_crate_says() {
        assert_walls(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../echo-common"));
    }
}
