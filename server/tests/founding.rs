//! A data directory of which a part was lost: it is refused, and what is left of it is left alone.

#[allow(dead_code, reason = "the other tests use the rest")]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use forebay_broker::DiskGuard;
use forebay_env::Env;
use forebay_model::ShardId;
use forebay_server::identity::{IdentityError, shard_dir};
use forebay_server::node::{Driver, Node, NodeError};
use forebay_server::node_file::{self, Founded, Identity, NODE_NAME};
use forebay_shard::{Board, Wake};

use common::Running;

struct Nobody;

impl Driver for Nobody {
    fn wake(&self, _: ShardId) -> Wake {
        Box::new(|| {})
    }
    fn noticed(&self, _: ShardId, _: Arc<Board>) -> Box<dyn Fn() + Send> {
        Box::new(|| {})
    }
}

/// A directory in which a topic was made.
fn used(env: &Env) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (node, ()) = Running::open(env, &common::config(dir.path()), |_| ());
    node.create("kept", 2);
    node.close();
    dir
}

fn refusal(env: &Env, dir: &Path) -> IdentityError {
    match Node::open(env, &common::config(dir), &Nobody, Arc::new(DiskGuard::default())) {
        Err(NodeError::Identity(error)) => error,
        Err(error) => panic!("refused for another reason: {error}"),
        Ok(_) => panic!("a node without all of its data is opened"),
    }
}

/// Every file below `dir` with what is in it.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.insert(name, Vec::new());
            found.extend(contents(&path));
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_lost_shard_is_refused_by_name_and_nothing_is_changed() {
    let env = forebay_env::real::env();
    for number in [0, 1] {
        for only_manifest in [true, false] {
            let dir = used(&env);
            let shard = shard_dir(dir.path(), ShardId(number));
            match only_manifest {
                true => fs::remove_file(shard.join("manifest")).unwrap(),
                false => fs::remove_dir_all(&shard).unwrap(),
            }
            let before = contents(dir.path());
            let error = refusal(&env, dir.path());
            assert!(matches!(&error, IdentityError::ShardMissing(lost) if *lost == shard), "{error}");
            let said = error.to_string();
            assert!(said.contains(&shard.display().to_string()) && said.contains("backup"), "{said}");
            assert_eq!(contents(dir.path()), before);
        }
    }
}

#[test]
fn shards_whose_node_file_is_lost_are_refused_and_no_cluster_is_invented() {
    let env = forebay_env::real::env();
    let dir = used(&env);
    fs::remove_file(dir.path().join(NODE_NAME)).unwrap();
    let before = contents(dir.path());
    let error = refusal(&env, dir.path());
    assert!(matches!(&error, IdentityError::NodeFileMissing(_)), "{error}");
    assert!(error.to_string().contains("shard-0000"), "{error}");
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn a_first_start_that_was_cut_short_is_finished_by_the_next() {
    let env = forebay_env::real::env();
    let dir = used(&env);
    let read = || node_file::read(&*env.disk, dir.path()).unwrap().unwrap();
    let made = read();
    assert_eq!((made.founded, made.shards()), (Founded::Yes, 2));
    // As if the process had ended before the second shard was made.
    fs::remove_dir_all(shard_dir(dir.path(), ShardId(1))).unwrap();
    let begun = Identity { founded: Founded::NotYet, ..made.clone() };
    fs::write(dir.path().join(NODE_NAME), begun.encode()).unwrap();
    let (node, ()) = Running::open(&env, &common::config(dir.path()), |_| ());
    node.close();
    assert_eq!(read(), made);
}
