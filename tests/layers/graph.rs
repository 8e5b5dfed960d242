//! Which file uses which, and what must not be: a module that uses one above it, and files that use each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::source;

/// A module is named by its segments below the crate's root, which has none.
pub(crate) type Module = Vec<String>;

/// The files of the crate and the arrows between them.
pub(crate) struct Graph {
    /// What the head of each file says of its children, from the bottom up, if it says anything.
    maps: BTreeMap<Module, Vec<String>>,
    children: BTreeMap<Module, Vec<String>>,
    arrows: BTreeMap<Module, BTreeSet<Module>>,
}

impl Graph {
    /// From the text of each module.
    pub(crate) fn new(files: &BTreeMap<Module, String>) -> Self {
        let mut graph = Self { maps: BTreeMap::new(), children: BTreeMap::new(), arrows: BTreeMap::new() };
        for (module, text) in files {
            let code = source::code(text);
            let children = declared(&code);
            if let Some(map) = map(text) {
                graph.maps.insert(module.clone(), map);
            }
            let paths = source::paths(&code, module, &children);
            let targets = paths.iter().map(|path| file_of(path, files)).filter(|target| target != module);
            // The root declares modules and has nothing that anybody could use.
            let targets = targets.filter(|target| !target.is_empty()).collect();
            graph.arrows.insert(module.clone(), targets);
            graph.children.insert(module.clone(), children);
        }
        graph
    }

    /// Whether a module says in which order its children stand.
    pub(crate) fn has_map(&self, module: &[&str]) -> bool {
        self.maps.keys().any(|known| known == module)
    }

    /// Children that a map leaves out or makes up.
    pub(crate) fn wrong_maps(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (module, map) in &self.maps {
            let listed: BTreeSet<_> = map.iter().collect();
            let declared: BTreeSet<_> = self.children.get(module).into_iter().flatten().collect();
            for child in listed.symmetric_difference(&declared) {
                wrong.push(format!("the map of {} and its modules differ in {child}", shown(module)));
            }
        }
        wrong
    }

    /// Arrows from a module to one that stands above it on the map of both.
    pub(crate) fn upward(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (above, map) in &self.maps {
            let floor = |module: &Module| {
                let child = module.strip_prefix(above.as_slice())?.first()?;
                map.iter().position(|name| name == child)
            };
            for (from, targets) in &self.arrows {
                let Some(own) = floor(from) else { continue };
                let higher = targets.iter().filter(|target| floor(target).is_some_and(|other| other > own));
                wrong.extend(
                    higher.map(|target| {
                        format!("{} uses {}, which stands above it", shown(from), shown(target))
                    }),
                );
            }
        }
        wrong
    }

    /// Groups of files each of which leads to all others of its group.
    pub(crate) fn circles(&self) -> Vec<String> {
        let reach: BTreeMap<_, _> =
            self.arrows.keys().map(|module| (module, self.reachable(module))).collect();
        let leads = |from: &Module, to: &Module| reach.get(from).is_some_and(|all| all.contains(to));
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        let mut circles = Vec::new();
        for module in self.arrows.keys() {
            if seen.contains(module) || !leads(module, module) {
                continue;
            }
            let group: Vec<_> =
                self.arrows.keys().filter(|other| leads(module, other) && leads(other, module)).collect();
            seen.extend(&group);
            circles.push(self.describe(&group));
        }
        circles
    }

    fn reachable(&self, from: &Module) -> BTreeSet<Module> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Module> = vec![from];
        while let Some(module) = next.pop() {
            for target in self.arrows.get(module).into_iter().flatten() {
                if reached.insert(target.clone()) {
                    next.push(target);
                }
            }
        }
        reached
    }

    fn describe(&self, group: &[&Module]) -> String {
        let arrows = group.iter().flat_map(|from| {
            let targets =
                self.arrows.get(*from).into_iter().flatten().filter(|target| group.contains(target));
            targets.map(move |target| format!("{} -> {}", shown(from), shown(target)))
        });
        format!("files in a circle: {}", arrows.collect::<Vec<_>>().join(", "))
    }
}

fn shown(module: &[String]) -> String {
    if module.is_empty() { "the crate".to_owned() } else { module.join("::") }
}

/// The file in which a path ends: that of its longest beginning that is a module.
fn file_of(path: &[String], files: &BTreeMap<Module, String>) -> Module {
    let lengths = (0..=path.len()).rev();
    let mut beginnings = lengths.filter_map(|length| path.get(..length).map(<[String]>::to_vec));
    beginnings.find(|beginning| files.contains_key(beginning)).unwrap_or_default()
}

/// The modules that a file declares in files of their own.
fn declared(code: &str) -> Vec<String> {
    let names = code.lines().filter_map(|line| {
        let line = line.trim_start().strip_suffix(';')?;
        let (before, name) = line.rsplit_once("mod ")?;
        (before.is_empty() || before.starts_with("pub")).then(|| name.to_owned())
    });
    names.collect()
}

/// The names in the list at the head of a file that orders its modules from the bottom up.
fn map(text: &str) -> Option<Vec<String>> {
    let head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let start = head.iter().position(|line| line.to_lowercase().contains("from the bottom up"))?;
    let list = head.iter().skip(start + 1).skip_while(|line| line.trim().is_empty());
    let list: Vec<&str> = list.take_while(|line| !line.trim().is_empty()).copied().collect();
    let names = list.iter().flat_map(|line| {
        // Each name stands in backquotes, perhaps in brackets, in front of a colon.
        let parts: Vec<&str> = line.split('`').collect();
        let pairs = parts.windows(2).skip(1).step_by(2);
        let named = pairs.filter(|pair| pair[1].trim_start_matches(']').starts_with(':'));
        named.map(|pair| pair[0].to_owned()).collect::<Vec<_>>()
    });
    Some(names.collect())
}
