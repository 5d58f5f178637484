//! A run: every case on every peer that takes part, round by round, so that what the machine does meanwhile meets all.

mod ballast;
mod drive;
mod plan;
mod quiet;
mod table;
mod turn;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::fs::{FlockOperation, flock};

use crate::failure::{Failure, check_interrupt, watch_for_interrupts};
use crate::machine::{Machine, commit, utc_now};
use crate::peer::{Broker, Job, PEERS, Peer, Setting, port};
use crate::place::Place;
use crate::record::{Record, SCHEMA};
use crate::story::{Case, Clients, STORIES, Scale, Story};
use plan::{Contender, Lap, Wish};
use turn::Turn;

/// What is run.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// Stories; all of them where none is named. `list` names them
    #[arg(value_name = "STORY")]
    pub stories: Vec<String>,
    /// A peer beside Forebay; may be repeated. All of them where none is named
    #[arg(long, value_name = "NAME")]
    pub peer: Vec<String>,
    /// Minutes: fewer cases, short windows, one broker for several cases
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// Hours: all combinations, 20 million records, an hour at half of the peak
    #[arg(long)]
    pub full: bool,
    /// How often each case is run on each peer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: Option<u32>,
    /// Make the records from the lines of this file
    #[arg(long, value_name = "FILE")]
    pub payload: Option<PathBuf>,
    /// Only this setting of each peer; may be repeated
    #[arg(long, value_name = "NAME")]
    pub setting: Vec<String>,
    /// Only cases whose name holds these words; may be repeated
    #[arg(long, value_name = "WORDS")]
    pub case: Vec<String>,
}

impl RunArguments {
    fn wish(&self) -> Result<Wish, Failure> {
        let payload = self.payload.as_ref().map(|file| {
            fs::canonicalize(file).map_err(|why| Failure::new(format!("{}: {why}", file.display())))
        });
        Ok(Wish {
            stories: self.stories.clone(),
            peers: self.peer.clone(),
            settings: self.setting.clone(),
            cases: self.case.clone(),
            scale: match (self.quick, self.full) {
                (true, _) => Scale::Quick,
                (_, true) => Scale::Full,
                _ => Scale::Standard,
            },
            rounds: self.rounds,
            payload: payload.transpose()?,
        })
    }
}

/// Runs everything that is wished for, leaves its records, and prints the table. An error when any run failed.
pub fn run(place: &Place, arguments: &RunArguments) -> Result<(), Failure> {
    let wish = arguments.wish()?;
    let stories = wish.stories()?;
    let wanted = wish.peers()?;
    watch_for_interrupts()?;
    let _turn = wait_for_turn(place)?;
    clean(place)?;
    let mut session = Session {
        place,
        machine: Machine::look(&place.data()),
        commit: commit(place.root()),
        began: utc_now(),
        records: Vec::new(),
        failed: Vec::new(),
        wish,
    };
    let ended = session.fetch_and_tell(&stories, &wanted);
    print!("{}", table::of(&session.records));
    for what in &session.failed {
        println!("failed: {what}");
    }
    ended?;
    match session.failed.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} runs failed"))),
    }
}

/// Prints the stories, their cases at this scale, and the peers with their settings.
pub fn list(arguments: &RunArguments) -> Result<(), Failure> {
    let wish = arguments.wish()?;
    println!("stories");
    for story in STORIES {
        println!("  {:<12} {}", story.name, story.about);
        for case in (story.cases)(wish.scale) {
            println!("  {:<12}   {}", "", case.name);
        }
    }
    println!("\npeers");
    for peer in PEERS {
        println!("  {}", peer.name());
        for setting in peer.settings() {
            println!("    {:<14} {}", setting.name, setting.about);
        }
    }
    Ok(())
}

/// Waits until no other call of the harness measures in this workspace: two at once would measure each other, and the
/// second would clear away the first one's data. It holds until the file is closed.
fn wait_for_turn(place: &Place) -> Result<fs::File, Failure> {
    fs::create_dir_all(place.data())?;
    let file = fs::File::create(place.lock())?;
    let mut told = false;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        check_interrupt()?;
        if !told {
            println!("another call of the harness is at work here: waiting for its end");
            told = true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(file)
}

/// What an ended process of ours has left, because it was killed.
fn clean(place: &Place) -> Result<(), Failure> {
    if place.data().exists() {
        fs::remove_dir_all(place.data())?;
    }
    fs::create_dir_all(place.data())?;
    Ok(())
}

/// One call of the harness.
struct Session<'a> {
    place: &'a Place,
    machine: Machine,
    commit: String,
    /// When it began: records with the same were interleaved.
    began: String,
    wish: Wish,
    records: Vec<Record>,
    failed: Vec<String>,
}

/// A peer that is there, with its version.
struct Present {
    peer: &'static dyn Peer,
    version: String,
}

impl Session<'_> {
    fn fetch_and_tell(
        &mut self,
        stories: &[&'static Story],
        wanted: &[&'static dyn Peer],
    ) -> Result<(), Failure> {
        let present = self.fetch(stories, wanted)?;
        for story in stories {
            self.story(story, &present)?;
        }
        Ok(())
    }

    /// Fetches those that any case needs. Whoever cannot be had is named, and the others go on.
    fn fetch(
        &mut self,
        stories: &[&'static Story],
        wanted: &[&'static dyn Peer],
    ) -> Result<Vec<Present>, Failure> {
        let mut present = Vec::new();
        for &peer in wanted {
            let needing: Vec<&&Story> = stories
                .iter()
                .filter(|story| {
                    self.wish.laps(story).iter().any(|lap| !self.wish.contenders(&[peer], lap).is_empty())
                })
                .collect();
            if needing.is_empty() {
                continue;
            }
            check_interrupt()?;
            println!("--- {}", peer.name());
            match peer.fetch(self.place) {
                Ok(version) => present.push(Present { peer, version }),
                Err(Failure::Skipped(why)) => {
                    println!("    skipped: {why}");
                    for story in needing {
                        self.skip(story, peer, &why)?;
                    }
                }
                Err(why) => return Err(why),
            }
        }
        Ok(present)
    }

    fn story(&mut self, story: &'static Story, present: &[Present]) -> Result<(), Failure> {
        let peers: Vec<&'static dyn Peer> = present.iter().map(|p| p.peer).collect();
        let laps = self.wish.laps(story);
        if laps.is_empty() {
            println!("\n=== {}: nothing at this scale", story.name);
            return Ok(());
        }
        println!("\n=== {}: {}", story.name, story.about);
        for lap in &laps {
            let contenders = self.wish.contenders(&peers, lap);
            for round in 1..=self.wish.rounds() {
                for contender in &contenders {
                    let version = present.iter().find(|p| p.peer.name() == contender.peer.name());
                    let version = &version.expect("contenders are present").version;
                    self.lap(story, lap, *contender, version, round)?;
                }
            }
        }
        Ok(())
    }

    /// All cases of a lap on one contender. A case that fails takes its broker with it; the next one gets a new one.
    fn lap(
        &mut self,
        story: &Story,
        lap: &Lap,
        contender: Contender,
        version: &str,
        round: u32,
    ) -> Result<(), Failure> {
        let Contender { peer, setting } = contender;
        let place_of_setting = peer.settings().iter().position(|s| *s == setting).expect("it is one of them");
        let mut running: Option<(Job, Broker)> = None;
        for (number, case) in lap.iter().enumerate() {
            if !self.wish.takes_part(case, peer.name(), place_of_setting, setting) {
                continue;
            }
            check_interrupt()?;
            let name = format!("{}, {}, {} ({})", story.name, case.name, peer.name(), setting.name);
            let fresh = running.is_none();
            let (job, mut broker) = match running.take() {
                Some(running) => running,
                None => match self.start(peer, setting, case) {
                    Ok(started) => started,
                    Err(why) => {
                        self.fail(&name, why)?;
                        continue;
                    }
                },
            };
            let start_ms = (fresh && broker.has_processes()).then(|| broker.start_ms());
            let mut clients = turn::clients(self.place, peer, &broker, case);
            if case.clients == Clients::First {
                clients = clients.min(1);
            }
            let mut failed = false;
            for client in 0..clients {
                let begun = Instant::now();
                let stamp = utc_now();
                let topic = format!("{}-{number}-{client}", story.name);
                let payload = self.wish.payload.clone();
                let turn = Turn {
                    place: self.place,
                    peer,
                    job: &job,
                    case,
                    client,
                    topic: &topic,
                    scale: self.wish.scale,
                    payload: payload.as_deref(),
                };
                match turn.run(&mut broker) {
                    Ok(outcome) => {
                        println!("    {name}, {}: {:.0} s", outcome.client, begun.elapsed().as_secs_f64());
                        for note in outcome.notes.iter().filter(|note| !case.notes.contains(note)) {
                            println!("        {note}");
                        }
                        let start_ms = start_ms.filter(|_| client == 0);
                        let blank = self.blank(story, peer, round);
                        self.keep(Record {
                            stamp,
                            case: case.name.clone(),
                            peer_version: version.to_string(),
                            setting: setting.name.into(),
                            flushed_before_confirm: setting.flushed_before_confirm,
                            client: outcome.client,
                            command: outcome.command,
                            measures: outcome.measures,
                            start_ms,
                            notes: outcome.notes,
                            ..blank
                        })?;
                    }
                    Err(why) => {
                        self.fail(&name, why)?;
                        failed = true;
                        break;
                    }
                }
            }
            if !failed {
                running = Some((job, broker));
            }
        }
        Ok(())
    }

    fn start(
        &self,
        peer: &'static dyn Peer,
        setting: Setting,
        case: &Case,
    ) -> Result<(Job, Broker), Failure> {
        // What the broker before this one has left to the disk is not this one's to wait for.
        let data = self.place.data();
        fs::create_dir_all(&data)?;
        quiet::wait(&data)?;
        let port = port::free();
        let dir = data.join(format!("{}-{port}", peer.name()));
        fs::create_dir_all(&dir)?;
        let job = Job { setting, dir, port, options: case.options.clone() };
        let mut broker = peer.prepare(self.place, &job)?;
        peer.run(self.place, &job, &mut broker)?;
        Ok((job, broker))
    }

    /// Names what failed and goes on; an interrupt is passed on instead.
    fn fail(&mut self, name: &str, why: Failure) -> Result<(), Failure> {
        if matches!(why, Failure::Interrupted) {
            return Err(why);
        }
        println!("    {name}: FAILED: {why}");
        self.failed.push(format!("{name}: {}", why.to_string().lines().next().unwrap_or_default()));
        Ok(())
    }

    fn skip(&mut self, story: &Story, peer: &dyn Peer, why: &str) -> Result<(), Failure> {
        let record = Record { skipped: Some(why.to_string()), ..self.blank(story, peer, 1) };
        self.keep(record)
    }

    fn keep(&mut self, record: Record) -> Result<(), Failure> {
        record.write(&self.place.records())?;
        self.records.push(record);
        Ok(())
    }

    /// A record of this session in which nothing was measured.
    fn blank(&self, story: &Story, peer: &dyn Peer, round: u32) -> Record {
        Record {
            schema: SCHEMA,
            run: self.began.clone(),
            stamp: utc_now(),
            machine: self.machine.clone(),
            commit: self.commit.clone(),
            story: story.name.into(),
            case: String::new(),
            peer: peer.name().into(),
            peer_version: String::new(),
            setting: String::new(),
            flushed_before_confirm: false,
            client: String::new(),
            command: String::new(),
            round,
            rounds: self.wish.rounds(),
            measures: vec![],
            start_ms: None,
            notes: vec![],
            skipped: None,
        }
    }
}
