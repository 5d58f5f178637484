//! Who runs what, and in which order.

use crate::failure::Failure;
use crate::peer::{self, Peer, Setting, forebay};
use crate::story::{self, Case, Ground, STORIES, Scale, Settings, Step, Story, Who};

/// What was asked for on the command line.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Stories by name; none for all.
    pub stories: Vec<String>,
    /// Peers by name, beside Forebay; none for all.
    pub peers: Vec<String>,
    /// Settings by name; none for those that the cases name.
    pub settings: Vec<String>,
    /// Words that a case's name holds; none for all cases.
    pub cases: Vec<String>,
    /// How long everything takes.
    pub scale: Scale,
    /// How often each case is run on each peer; none for what the scale says.
    pub rounds: Option<u32>,
    /// A file from whose lines the records are made.
    pub payload: Option<std::path::PathBuf>,
}

/// A peer in one setting.
#[derive(Clone, Copy)]
pub struct Contender {
    /// The peer.
    pub peer: &'static dyn Peer,
    /// The setting.
    pub setting: Setting,
}

/// Cases that one broker may run, one after the other.
pub type Lap = Vec<Case>;

impl Wish {
    /// The stories, in the order of the table whatever the order of the words. An unknown name is an error.
    pub fn stories(&self) -> Result<Vec<&'static Story>, Failure> {
        for name in &self.stories {
            if story::find(name).is_none() {
                let names: Vec<&str> = STORIES.iter().map(|story| story.name).collect();
                return Err(Failure::new(format!("no story '{name}'; there are: {}", names.join(", "))));
            }
        }
        let wanted =
            |story: &&Story| self.stories.is_empty() || self.stories.iter().any(|name| name == story.name);
        Ok(STORIES.iter().filter(wanted).collect())
    }

    /// The peers, in the order of the table. Forebay and what is no broker take part whoever is asked for. An unknown
    /// name is an error.
    pub fn peers(&self) -> Result<Vec<&'static dyn Peer>, Failure> {
        for name in &self.peers {
            if peer::find(name).is_none() {
                let names: Vec<&str> = peer::PEERS.iter().map(|peer| peer.name()).collect();
                return Err(Failure::new(format!("no peer '{name}'; there are: {}", names.join(", "))));
            }
        }
        let always = [forebay::NAME, peer::COMMITLOG, peer::FIO];
        let wanted = |peer: &&&dyn Peer| {
            let name = peer.name();
            self.peers.is_empty() || always.contains(&name) || self.peers.iter().any(|wish| wish == name)
        };
        Ok(peer::PEERS.iter().filter(wanted).copied().collect())
    }

    /// The story's cases whose names are asked for, in laps: at the shortest scale, neighbours that allow it share a
    /// broker; else each case has its own.
    pub fn laps(&self, story: &Story) -> Vec<Lap> {
        let mut laps: Vec<Lap> = Vec::new();
        let mut open = false;
        for case in (story.cases)(self.scale) {
            if !self.cases.is_empty() && !self.cases.iter().any(|words| case.name.contains(words)) {
                continue;
            }
            let shares = case.ground == Ground::Shared && self.scale == Scale::Quick;
            match laps.last_mut().filter(|_| open && shares) {
                Some(lap) => lap.push(case),
                None => laps.push(vec![case]),
            }
            open = shares;
        }
        laps
    }

    /// Who runs a lap's cases, in the order in which they alternate.
    pub fn contenders(&self, peers: &[&'static dyn Peer], lap: &Lap) -> Vec<Contender> {
        let mut contenders = Vec::new();
        for &peer in peers {
            for (place, &setting) in peer.settings().iter().enumerate() {
                if lap.iter().any(|case| self.takes_part(case, peer.name(), place, setting)) {
                    contenders.push(Contender { peer, setting });
                }
            }
        }
        contenders
    }

    /// Whether the case is for this peer in this setting, the peer's `place`-th.
    pub fn takes_part(&self, case: &Case, peer: &str, place: usize, setting: Setting) -> bool {
        let asked = match case.who {
            Who::Everyone => peer != peer::COMMITLOG && peer != peer::FIO,
            Who::Only(names) => names.contains(&peer),
        };
        let in_setting = if self.settings.is_empty() {
            place == 0 || case.settings == Settings::All
        } else {
            self.settings.iter().any(|name| name == setting.name)
        };
        asked && in_setting && can_do(peer, case)
    }

    /// How often each case is run on each peer.
    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(self.scale.rounds())
    }
}

/// Whether the peer can do all that the case asks a client for. One that is not known can.
fn can_do(peer: &str, case: &Case) -> bool {
    let Some(peer) = peer::find(peer) else { return true };
    case.steps.iter().all(|step| match step {
        Step::Load(work) | Step::Again(work) | Step::AtHalf { work } => peer.does(work),
        Step::Idle { .. } | Step::Restart | Step::ColdRestart => true,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn wish(stories: &[&str], peers: &[&str], scale: Scale) -> Wish {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Wish {
            stories: owned(stories),
            peers: owned(peers),
            settings: vec![],
            cases: vec![],
            scale,
            rounds: None,
            payload: None,
        }
    }

    fn names(contenders: &[Contender]) -> Vec<String> {
        contenders.iter().map(|c| format!("{} {}", c.peer.name(), c.setting.name)).collect()
    }

    #[test]
    fn forebay_takes_part_whoever_is_asked_for() {
        let peers = wish(&[], &["nats"], Scale::Quick).peers().unwrap();
        let names: Vec<&str> =
            peers.iter().map(|p| p.name()).filter(|n| *n != "fio" && *n != "commitlog").collect();
        assert_eq!(names, ["forebay", "nats"]);
    }

    #[test]
    fn names_that_do_not_exist_are_answered_with_those_that_do() {
        let why = wish(&["classics"], &[], Scale::Quick).stories().err().unwrap().to_string();
        assert!(why.contains("'classics'") && why.contains("classic,"), "{why}");
        let why = wish(&[], &["cafka"], Scale::Quick).peers().err().unwrap().to_string();
        assert!(why.contains("'cafka'") && why.contains("kafka"), "{why}");
    }

    #[test]
    fn a_short_run_shares_a_broker_and_a_long_one_does_not() {
        let story = story::find("classic").unwrap();
        assert_eq!(wish(&[], &[], Scale::Quick).laps(story).len(), 1);
        assert_eq!(wish(&[], &[], Scale::Standard).laps(story).len(), 5);
        let topics = story::find("topics").unwrap();
        assert_eq!(wish(&[], &[], Scale::Quick).laps(topics).len(), 3);
    }

    #[test]
    fn every_setting_of_the_classic_table_alternates() {
        let wish = wish(&["classic"], &["kafka"], Scale::Quick);
        let lap = &wish.laps(story::find("classic").unwrap())[0];
        let contenders = wish.contenders(&wish.peers().unwrap(), lap);
        assert_eq!(
            names(&contenders),
            ["kafka as-it-comes", "kafka flushed", "forebay flushed", "forebay async"]
        );
    }

    #[test]
    fn a_setting_that_is_asked_for_is_the_only_one() {
        let wish = Wish { settings: vec!["flushed".into()], ..wish(&["produce"], &["kafka"], Scale::Quick) };
        let lap = &wish.laps(story::find("produce").unwrap())[0];
        let contenders = wish.contenders(&wish.peers().unwrap(), lap);
        assert_eq!(names(&contenders), ["kafka flushed", "forebay flushed"]);
    }

    #[test]
    fn the_log_alone_is_no_matter_of_brokers() {
        let wish = wish(&["log"], &[], Scale::Quick);
        let lap = &wish.laps(story::find("log").unwrap())[0];
        let contenders = wish.contenders(&wish.peers().unwrap(), lap);
        assert_eq!(names(&contenders), ["commitlog flushed", "fio flushed"]);
    }

    #[test]
    fn brokers_without_a_client_take_part_in_what_their_own_tools_do_and_in_what_needs_none() {
        let wish = wish(&[], &["rabbitmq"], Scale::Quick);
        let takes_part = |story: &str| {
            let laps = wish.laps(story::find(story).unwrap());
            let all: Vec<_> =
                laps.iter().flat_map(|lap| wish.contenders(&wish.peers().unwrap(), lap)).collect();
            names(&all).iter().any(|name| name.starts_with("rabbitmq"))
        };
        assert!(takes_part("classic") && takes_part("start"));
        assert!(!takes_part("produce") && !takes_part("latency"));
    }
}
