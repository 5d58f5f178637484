//! The stories: which work is driven, with which figures, on which peers. All of it is data; `run` does it.

mod load;
mod scale;
mod tables;
mod work;

pub use load::{Dialect, Event, JsonLines, Load};
pub use scale::Scale;
pub use tables::STORIES;
pub use work::{Codec, Connections, Work};

/// A named set of cases.
pub struct Story {
    /// Its name on the command line and in records.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub about: &'static str,
    /// Its cases at this scale; none where it is too long for it.
    pub cases: fn(Scale) -> Vec<Case>,
}

/// Who takes part in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every peer that has a client for the work.
    Everyone,
    /// These alone, by name.
    Only(&'static [&'static str]),
}

/// In which settings a peer takes part in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settings {
    /// In each that it has.
    All,
    /// In its first alone.
    First,
}

/// Which of a peer's clients drive a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Each that knows the work.
    All,
    /// The first alone, which is the public library's where there is one.
    First,
}

/// Whether a case may run on a broker that other cases have used before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// It may, where time is short.
    Shared,
    /// Its broker is started on an empty folder.
    Fresh,
}

/// One case: what is done, one step after the other, and by whom.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name within the story.
    pub name: String,
    /// What is done.
    pub steps: Vec<Step>,
    /// Who takes part.
    pub who: Who,
    /// In which settings.
    pub settings: Settings,
    /// By which clients.
    pub clients: Clients,
    /// On which broker.
    pub ground: Ground,
    /// Further words for the broker's command line; only for a case of one peer.
    pub options: Vec<String>,
    /// What a reader of the figures should know of this case.
    pub notes: Vec<String>,
}

/// One step of a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A loader does this work, and says what is measured.
    Load(Work),
    /// As `Load`, at half of the rate that the step before it reached; the work's own rate does not count.
    AtHalf {
        /// What is done; one that has a rate.
        work: Work,
    },
    /// As `Load`, on the topics that the same work has left: measures `again`.
    Again(Work),
    /// Nothing is done for so many seconds: measures `idle`.
    Idle {
        /// How long.
        seconds: u32,
    },
    /// The broker ends as it is asked to and is started again on its data: measures `restart`.
    Restart,
    /// As `Restart`, but between the two its files leave the page cache: measures `cold restart`.
    ColdRestart,
}

impl Case {
    /// A case of one work, by everyone, in all settings and by all clients.
    pub fn new(name: impl Into<String>, work: Work) -> Case {
        Case::of_steps(name, vec![Step::Load(work)])
    }

    /// A case of several steps.
    pub fn of_steps(name: impl Into<String>, steps: Vec<Step>) -> Case {
        Case {
            name: name.into(),
            steps,
            who: Who::Everyone,
            settings: Settings::All,
            clients: Clients::All,
            ground: Ground::Shared,
            options: vec![],
            notes: vec![],
        }
    }

    /// The same for these peers alone.
    pub fn only(self, names: &'static [&'static str]) -> Case {
        Case { who: Who::Only(names), ..self }
    }

    /// The same in these settings.
    pub fn in_settings(self, settings: Settings) -> Case {
        Case { settings, ..self }
    }

    /// The same by these clients.
    pub fn by(self, clients: Clients) -> Case {
        Case { clients, ..self }
    }

    /// The same on an empty broker, whatever the scale.
    pub fn fresh(self) -> Case {
        Case { ground: Ground::Fresh, ..self }
    }

    /// The same with a broker that is given these words. Nobody shares it.
    pub fn with(self, options: &[String]) -> Case {
        Case { options: options.to_vec(), ground: Ground::Fresh, ..self }
    }

    /// The same with something to know about it.
    pub fn noted(mut self, note: &str) -> Case {
        self.notes.push(note.into());
        self
    }
}

/// The story of that name.
pub fn find(name: &str) -> Option<&'static Story> {
    STORIES.iter().find(|story| story.name == name)
}
