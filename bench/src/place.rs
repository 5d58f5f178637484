//! Where things lie: all that is fetched, built or measured is under the workspace's target folder.

use std::path::{Path, PathBuf};

/// The workspace's folder and what the harness uses under it.
#[derive(Clone, Debug)]
pub struct Place {
    root: PathBuf,
}

impl Place {
    /// The workspace that this program was built from.
    pub fn of_this_build() -> Place {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        Place { root: bench.parent().expect("bench/ lies in the workspace").to_path_buf() }
    }

    /// A workspace elsewhere.
    pub fn at(root: impl Into<PathBuf>) -> Place {
        Place { root: root.into() }
    }

    /// The workspace's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The settings files of a peer, as they are kept in the repository.
    pub fn settings_of(&self, peer: &str) -> PathBuf {
        self.root.join("bench/peers").join(peer)
    }

    /// Where a peer is fetched to. It stays from run to run.
    pub fn peer(&self, peer: &str) -> PathBuf {
        self.root.join("target/peers").join(peer)
    }

    /// Where brokers keep their data while they run: one folder per start, removed with it.
    pub fn data(&self) -> PathBuf {
        self.root.join("target/bench/data")
    }

    /// The records of all runs on this machine, one JSON file each.
    pub fn records(&self) -> PathBuf {
        self.root.join("target/bench/records")
    }

    /// The loader with the public client libraries, built from bench/clients/go.
    pub fn loader(&self) -> PathBuf {
        self.root.join("target/bench/load")
    }

    /// The program that appends to our log without a broker, built from core/commitlog/examples.
    pub fn append_example(&self) -> PathBuf {
        self.root.join("target/release/examples/append")
    }

    /// The program that sends messages through a node in one thread, built from server/examples.
    pub fn hot_path_example(&self) -> PathBuf {
        self.root.join("target/release/examples/hot_path")
    }

    /// Held by whoever measures.
    pub fn lock(&self) -> PathBuf {
        self.root.join("target/bench/lock")
    }

    /// What the loader of the newest run has said to people.
    pub fn loader_log(&self) -> PathBuf {
        self.root.join("target/bench/loader.log")
    }

    /// Forebay's release binary: a peer like the others, and the light generator.
    pub fn forebay(&self) -> PathBuf {
        self.root.join("target/release/forebay")
    }
}
