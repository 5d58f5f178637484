//! Setting up what the client libraries need, in target/runtimes/, from manifests that pin every version.
//!
//! Each runtime leaves `ready` when it is complete, with what it was made from, or `missing` with the reason why
//! it cannot be: then its tests say so and count as skipped.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{command, step};
use crate::tally::Tally;

/// One runtime: its name, the programs it needs on the machine, the files and folders it is made from, and how.
struct Runtime {
    name: &'static str,
    programs: &'static [&'static str],
    manifests: &'static [&'static str],
    make: fn(&Place) -> bool,
}

const RUNTIMES: &[Runtime] = &[
    Runtime {
        name: "python",
        programs: &["python3"],
        manifests: &["requirements.txt", "data.txt"],
        make: make_python,
    },
    Runtime {
        name: "java",
        programs: &["java", "javac", "mvn"],
        manifests: &["pom.xml", "src"],
        make: make_java,
    },
    Runtime { name: "connect", programs: &["java", "mvn"], manifests: &["pom.xml"], make: make_connect },
    Runtime {
        name: "registry",
        programs: &["java", "jar", "mvn"],
        manifests: &["pom.xml"],
        make: make_registry,
    },
    Runtime { name: "node", programs: &["node", "npm"], manifests: &["."], make: make_node },
    Runtime { name: "go", programs: &["go"], manifests: &["."], make: make_go },
    Runtime {
        name: "rust",
        // Its library in C is built with these.
        programs: &["cargo", "cc", "make"],
        manifests: &["Cargo.toml", "Cargo.lock", "src"],
        make: make_rust,
    },
];

/// Where a runtime comes from, and where it goes.
struct Place {
    clients: PathBuf,
    made: PathBuf,
}

/// The libraries' own tests, which only `foreign` runs.
const FOREIGN: &[Runtime] = &[
    Runtime { name: "franz-go", programs: &["go"], manifests: &["go.mod", "go.sum"], make: make_franz_go },
    Runtime {
        name: "kafka-python",
        programs: &["python3"],
        manifests: &["requirements.txt", "sources.txt", "service.py"],
        make: make_kafka_python,
    },
];

/// Sets up all runtimes; only a failure is counted. A missing program is the tests' to report.
pub fn set_up(root: &Path) -> Tally {
    set_up_all(RUNTIMES.iter(), &root.join("tests/clients"), &root.join("target/runtimes"))
}

/// As `set_up`, the libraries' own tests, and the jars that Apache Kafka runs from where these are wanted.
pub fn set_up_foreign(root: &Path, with_kafka: bool) -> Tally {
    let jars = RUNTIMES.iter().filter(|runtime| with_kafka && runtime.name == "java");
    let mut tally = set_up_all(jars, &root.join("tests/clients"), &root.join("target/runtimes"));
    let made = root.join("target/runtimes/foreign");
    tally.add(set_up_all(FOREIGN.iter(), &root.join("tests/foreign"), &made));
    tally
}

fn set_up_all(runtimes: impl Iterator<Item = &'static Runtime>, clients: &Path, made: &Path) -> Tally {
    let mut tally = Tally::default();
    for runtime in runtimes {
        let place = Place { clients: clients.join(runtime.name), made: made.join(runtime.name) };
        if let Err(why) = set_up_one(runtime, &place) {
            tally.count(&format!("set up {}: {why}", runtime.name), false);
        }
    }
    tally
}

fn set_up_one(runtime: &Runtime, place: &Place) -> Result<(), String> {
    let file = |name: &str| place.made.join(name);
    fs::create_dir_all(&place.made).map_err(|why| format!("{}: {why}", place.made.display()))?;
    let made_from = made_from(runtime, place)?;
    if fs::read_to_string(file("ready")).is_ok_and(|ready| ready == made_from) {
        return Ok(());
    }
    let _ = fs::remove_file(file("ready"));
    let _ = fs::remove_file(file("missing"));
    if let Some(program) = runtime.programs.iter().find(|p| !is_installed(p)) {
        let reason = format!("the program {program} is not installed\n");
        return fs::write(file("missing"), reason).map_err(|why| why.to_string());
    }
    println!("\n=== set up {}", runtime.name);
    if !(runtime.make)(place) {
        let reason = format!("setting up {} failed\n", runtime.name);
        let _ = fs::write(file("missing"), &reason);
        return Err(reason.trim().to_string());
    }
    fs::write(file("ready"), made_from).map_err(|why| why.to_string())
}

/// The text of all it is made from: a runtime is made again when that changes.
fn made_from(runtime: &Runtime, place: &Place) -> Result<String, String> {
    let mut all = String::new();
    for manifest in runtime.manifests {
        let path = place.clients.join(manifest);
        for file in files_under(&path).map_err(|why| format!("{}: {why}", path.display()))? {
            let text = fs::read_to_string(&file).map_err(|why| format!("{}: {why}", file.display()))?;
            all += &format!("--- {}\n{text}", file.display());
        }
    }
    Ok(all)
}

/// The file itself, or the files directly in a folder, in the order of their names.
fn files_under(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

fn is_installed(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Runs the commands in order up to the first that fails.
fn all(steps: Vec<(&str, std::process::Command)>) -> bool {
    let mut tally = Tally::default();
    steps.into_iter().all(|(name, command)| step(&mut tally, name, command))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the workspace's path is UTF-8")
}

fn make_python(place: &Place) -> bool {
    let venv = place.made.join("venv");
    let python = venv.join("bin/python");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let with = |more: &[&str]| command(&place.clients, text(&python), &[&pip, more].concat());
    all(vec![
        ("virtual environment", command(&place.clients, "python3", &["-m", "venv", "--clear", text(&venv)])),
        ("client libraries", with(&["-r", "requirements.txt"])),
        ("building tools", with(&["setuptools==80.9.0", "wheel==0.45.1"])),
        ("data", with(&["--no-deps", "--no-build-isolation", "-r", "data.txt"])),
    ])
}

fn make_java(place: &Place) -> bool {
    let libs = place.made.join("libs");
    let classes = place.made.join("classes");
    for dir in [&libs, &classes] {
        // What an earlier version left behind must not stay on the class path.
        let _ = fs::remove_dir_all(dir);
    }
    let path = format!("{}/*", libs.display());
    let Ok(sources) = files_under(&place.clients.join("src")) else { return false };
    let compile = ["--release", "17", "-cp", &path, "-d", text(&classes)];
    let words: Vec<&str> = compile.into_iter().chain(sources.iter().map(|s| text(s))).collect();
    all(vec![("Kafka's jars", jars(place, &libs)), ("drivers", command(&place.clients, "javac", &words))])
}

fn make_connect(place: &Place) -> bool {
    let libs = place.made.join("libs");
    let _ = fs::remove_dir_all(&libs);
    all(vec![("Connect's jars", jars(place, &libs))])
}

/// The archive is unpacked as it is; only what starts it gets a name without its version.
fn make_registry(place: &Place) -> bool {
    let (libs, app) = (place.made.join("libs"), place.made.join("app"));
    for dir in [&libs, &app] {
        let _ = fs::remove_dir_all(dir);
    }
    if !all(vec![("the registry", jars(place, &libs))]) || fs::create_dir_all(&app).is_err() {
        return false;
    }
    let one = |dir: &Path, end: &str| {
        let files = files_under(dir).unwrap_or_default();
        files.into_iter().find(|file| file.to_string_lossy().ends_with(end))
    };
    let Some(archive) = one(&libs, "-all.zip") else { return false };
    let unpacked = all(vec![("its archive", command(&app, "jar", &["xf", text(&archive)]))]);
    unpacked && one(&app, "-runner.jar").is_some_and(|jar| fs::rename(jar, app.join("registry.jar")).is_ok())
}

/// What a pom.xml names, with all that it needs, into a folder.
fn jars(place: &Place, libs: &Path) -> std::process::Command {
    let output = format!("-DoutputDirectory={}", libs.display());
    command(&place.clients, "mvn", &["-B", "-q", "dependency:copy-dependencies", &output])
}

fn make_go(place: &Place) -> bool {
    let driver = place.made.join("driver");
    let words = ["build", "-mod=readonly", "-trimpath", "-o", text(&driver), "."];
    all(vec![("driver", command(&place.clients, "go", &words))])
}

/// A package of its own, outside the workspace.
fn make_rust(place: &Place) -> bool {
    let target = format!("--target-dir={}", place.made.display());
    all(vec![("driver", command(&place.clients, "cargo", &["build", "--quiet", "--locked", &target]))])
}

/// Node finds packages beside the program that asks for them, so the drivers are copied to where npm installs.
fn make_node(place: &Place) -> bool {
    let Ok(files) = files_under(&place.clients) else { return false };
    let copied = files.iter().all(|file| {
        let name = file.file_name().expect("a listed file has a name");
        fs::copy(file, place.made.join(name)).is_ok()
    });
    copied
        && all(vec![(
            "packages",
            command(&place.made, "npm", &["ci", "--silent", "--no-audit", "--no-fund"]),
        )])
}

/// A module's tests come with it.
fn make_franz_go(place: &Place) -> bool {
    let tests = place.made.join("kgo.test");
    for manifest in ["go.mod", "go.sum"] {
        // The tests run where the module's sources lie, which is asked for here.
        if fs::copy(place.clients.join(manifest), place.made.join(manifest)).is_err() {
            return false;
        }
    }
    let words = ["test", "-mod=readonly", "-c", "-o", text(&tests), "github.com/twmb/franz-go/pkg/kgo"];
    all(vec![("its tests", command(&place.made, "go", &words))])
}

/// The source distribution has the tests, but neither what tells their folder apart from Python's own package `test`
/// nor the module that knows of brokers which run already: that one is ours.
fn make_kafka_python(place: &Place) -> bool {
    let (venv, unpacked) = (place.made.join("venv"), place.made.join("unpacked"));
    let packed = place.made.join("packed");
    for dir in [&packed, &unpacked, &place.made.join("sources")] {
        let _ = fs::remove_dir_all(dir);
    }
    let python = venv.join("bin/python");
    let run = |words: &[&str]| command(&place.clients, text(&python), words);
    let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"];
    let with = |more: &[&str]| run(&[&pip, more].concat());
    let sources = ["download", "--no-deps", "--no-binary=:all:", "--no-build-isolation", "-r", "sources.txt"];
    let fetched = all(vec![
        ("virtual environment", command(&place.clients, "python3", &["-m", "venv", "--clear", text(&venv)])),
        ("what its tests need", with(&["install", "-r", "requirements.txt"])),
        ("its sources", with(&[&sources[..], &["-d", text(&packed)]].concat())),
    ]);
    let Some(archive) = only_file(&packed).filter(|_| fetched) else { return false };
    all(vec![("its archive", run(&["-m", "tarfile", "-e", text(&archive), text(&unpacked)]))])
        && only_file(&unpacked).is_some_and(|sources| lay_out(place, &sources).is_ok())
}

fn only_file(dir: &Path) -> Option<PathBuf> {
    let files = files_under(dir).ok()?;
    <[PathBuf; 1]>::try_from(files).ok().map(|[file]| file)
}

fn lay_out(place: &Place, unpacked: &Path) -> std::io::Result<()> {
    let sources = place.made.join("sources");
    fs::rename(unpacked, &sources)?;
    fs::write(sources.join("test/__init__.py"), "")?;
    fs::copy(place.clients.join("service.py"), sources.join("test/service.py")).map(|_| ())
}
