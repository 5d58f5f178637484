//! Bindings by patterns of words: `*` stands for one word, `#` for any number of them, also for none.

use super::found::Found;
use super::interner::Interner;
use super::marks::Marks;
use super::number_hash::{NumberMap, pair};
use super::targets::{Target, Targets};

/// The words of a key. Between two dots stands one, if only an empty one; the empty key has none.
fn words(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    key.split(|byte| *byte == b'.').filter(|_| !key.is_empty())
}

/// A node, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NodeNumber(u32);

/// Where all patterns begin. Nothing leads to it.
const ROOT: NodeNumber = NodeNumber(0);

/// What leads from a node to the one below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The word of this number.
    Word(u32),
    /// Any word.
    Star,
    /// Any number of words.
    Hash,
}

#[derive(Debug)]
struct Node {
    above: NodeNumber,
    step: Step,
    star: Option<NodeNumber>,
    hash: Option<NodeNumber>,
    /// How many nodes are below, those of `star` and `hash` too.
    below: u32,
    targets: Targets,
}

/// Patterns as a tree of words in which equal beginnings are one.
#[derive(Debug)]
pub(super) struct TopicIndex {
    words: Interner<Vec<u8>>,
    /// The nodes below by (node, word).
    below: NumberMap<NodeNumber>,
    nodes: Vec<Node>,
    free: Vec<NodeNumber>,
}

/// Where a routing key has come to in the tree.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Nodes that the words so far lead to exactly. A node is in it once, because one node is above it.
    at: Vec<NodeNumber>,
    next: Vec<NodeNumber>,
    /// Nodes of `#` that the words so far lead to: these stay, whatever words follow.
    open: Vec<NodeNumber>,
    /// Those, as marks.
    opened: Marks,
    /// Nodes whose targets were told, for messages that go by several keys.
    told: Marks,
}

impl Default for TopicIndex {
    fn default() -> TopicIndex {
        let root =
            Node { above: ROOT, step: Step::Hash, star: None, hash: None, below: 0, targets: Targets::None };
        TopicIndex {
            words: Interner::default(),
            below: NumberMap::default(),
            nodes: vec![root],
            free: Vec::new(),
        }
    }
}

impl TopicIndex {
    pub(super) fn add(&mut self, pattern: &[u8], target: Target) {
        let mut at = ROOT;
        for word in words(pattern) {
            let step = match word {
                b"*" => Step::Star,
                b"#" => Step::Hash,
                word => Step::Word(self.words.enter(word)),
            };
            at = self.below(at, step).unwrap_or_else(|| self.grow(at, step));
        }
        self.node_mut(at).targets.add(target);
    }

    pub(super) fn remove(&mut self, pattern: &[u8], target: Target) {
        let mut at = ROOT;
        for word in words(pattern) {
            let step = match word {
                b"*" => Step::Star,
                b"#" => Step::Hash,
                word => Step::Word(self.words.leave(word)),
            };
            at = self.below(at, step).expect("a binding that goes was there");
        }
        self.node_mut(at).targets.remove(target);
        while at != ROOT && self.node(at).below == 0 && self.node(at).targets.is_empty() {
            at = self.prune(at);
        }
    }

    /// Begins a message.
    pub(super) fn begin(&self, walk: &mut Walk) {
        walk.told.begin(self.nodes.len());
    }

    /// Finds the targets of all patterns that a key matches, but those that were told to this message.
    pub(super) fn find(&self, key: &[u8], walk: &mut Walk, found: &mut Found) {
        walk.next.clear();
        walk.open.clear();
        walk.opened.begin(self.nodes.len());
        self.reach(ROOT, walk);
        std::mem::swap(&mut walk.at, &mut walk.next);
        for word in words(key) {
            self.step(self.words.number(word), walk);
        }
        for at in walk.at.iter().chain(&walk.open) {
            if walk.told.is_first(at.0) {
                found.targets(&self.node(*at).targets);
            }
        }
    }

    /// Goes on by one word; `None` stands for one that is in no pattern.
    fn step(&self, word: Option<u32>, walk: &mut Walk) {
        walk.next.clear();
        // What opens meanwhile begins behind this word.
        let (at, open) = (walk.at.len(), walk.open.len());
        for place in 0..at + open {
            let node = if place < at { walk.at[place] } else { walk.open[place - at] };
            if let Some(below) = word.and_then(|word| self.below(node, Step::Word(word))) {
                self.reach(below, walk);
            }
            if let Some(below) = self.node(node).star {
                self.reach(below, walk);
            }
        }
        std::mem::swap(&mut walk.at, &mut walk.next);
    }

    /// A node is reached, and with it those behind `#` that need no word.
    fn reach(&self, node: NodeNumber, walk: &mut Walk) {
        walk.next.push(node);
        let mut hash = self.node(node).hash;
        while let Some(open) = hash.filter(|open| walk.opened.is_first(open.0)) {
            walk.open.push(open);
            hash = self.node(open).hash;
        }
    }

    fn node(&self, number: NodeNumber) -> &Node {
        &self.nodes[number.0 as usize]
    }

    fn node_mut(&mut self, number: NodeNumber) -> &mut Node {
        &mut self.nodes[number.0 as usize]
    }

    fn below(&self, node: NodeNumber, step: Step) -> Option<NodeNumber> {
        match step {
            Step::Word(word) => self.below.get(&pair(node.0, word)).copied(),
            Step::Star => self.node(node).star,
            Step::Hash => self.node(node).hash,
        }
    }

    fn set_below(&mut self, node: NodeNumber, step: Step, below: Option<NodeNumber>) {
        match (step, below) {
            (Step::Word(word), Some(below)) => drop(self.below.insert(pair(node.0, word), below)),
            (Step::Word(word), None) => drop(self.below.remove(&pair(node.0, word))),
            (Step::Star, below) => self.node_mut(node).star = below,
            (Step::Hash, below) => self.node_mut(node).hash = below,
        }
    }

    /// Makes the node below.
    fn grow(&mut self, above: NodeNumber, step: Step) -> NodeNumber {
        let node = Node { above, step, star: None, hash: None, below: 0, targets: Targets::None };
        let number = match self.free.pop() {
            Some(number) => {
                *self.node_mut(number) = node;
                number
            }
            None => {
                self.nodes.push(node);
                NodeNumber(u32::try_from(self.nodes.len() - 1).expect("bindings are limited"))
            }
        };
        self.set_below(above, step, Some(number));
        self.node_mut(above).below += 1;
        number
    }

    /// Takes a node away that leads nowhere; returns the one above.
    fn prune(&mut self, number: NodeNumber) -> NodeNumber {
        let Node { above, step, .. } = *self.node(number);
        self.set_below(above, step, None);
        self.node_mut(above).below -= 1;
        self.free.push(number);
        above
    }

    /// How many nodes there are but the root.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let nodes = self.nodes.len() - self.free.len() - 1;
        assert!(nodes > 0 || (self.words.len() == 0 && self.below.is_empty()));
        nodes
    }
}
