//! A MariaDB of our own, beside whichever the machine runs.

use std::ops::Range;
use std::process::{Child, Command, Stdio};

use crate::case::{Context, Failure, Outcome};
use crate::driver;
use crate::ensure;
use crate::port;

/// Who the connectors are.
pub const USER: &str = "connect";
/// Their password.
pub const PASSWORD: &str = "of the test";

/// The table whose rows change, the one they are copied to, and what notes every change of a copy in its order.
pub const TABLES: &str = "
    CREATE DATABASE shop;
    USE shop;
    CREATE TABLE orders (id INT PRIMARY KEY, version INT NOT NULL, item VARCHAR(40) NOT NULL, amount BIGINT);
    CREATE TABLE copies LIKE orders;
    CREATE TABLE seen (n INT AUTO_INCREMENT PRIMARY KEY, id INT NOT NULL, version INT NOT NULL);
    CREATE TRIGGER came AFTER INSERT ON copies FOR EACH ROW INSERT INTO seen (id, version) VALUES (NEW.id, NEW.version);
    CREATE TRIGGER changed AFTER UPDATE ON copies FOR EACH ROW INSERT INTO seen (id, version) VALUES (NEW.id, NEW.version);
";

/// Rows that came to an older version than they had before.
pub const SET_BACK: &str = "
    SELECT later.id, earlier.version, later.version FROM shop.seen earlier JOIN shop.seen later
    ON later.id = earlier.id AND later.n > earlier.n AND later.version < earlier.version LIMIT 10;
";

const ROWS: u32 = 200;

/// Inserts, updates and deletes of these rounds: in each every row gets the round as its version, or goes, or comes back.
pub fn changes(rounds: Range<u32>) -> String {
    let mut all = String::from("USE shop;\n");
    for round in rounds {
        for id in 0..ROWS {
            // Some order without a pattern, the same in every run.
            let draw = (id * 2_654_435 + round * 40_503) % 97;
            all += &match draw {
                0..=9 => format!("DELETE FROM orders WHERE id = {id};\n"),
                10..=59 => {
                    format!("UPDATE orders SET version = {round}, amount = {draw} * {id} WHERE id = {id};\n")
                }
                _ => format!(
                    "INSERT INTO orders VALUES ({id}, {round}, 'caf\u{e9} {draw}', NULL) \
                     ON DUPLICATE KEY UPDATE version = {round}, item = 'again {draw}';\n"
                ),
            };
        }
    }
    all
}

/// The server, running.
pub struct Mariadb {
    child: Child,
    port: u16,
    socket: std::path::PathBuf,
}

impl Mariadb {
    /// Makes a data directory and starts the server with its log of rows.
    pub fn start(context: &Context) -> Result<Mariadb, Failure> {
        let data = context.dir.join("mariadb");
        let of_data = format!("--datadir={}", data.display());
        let mut install = Command::new("mariadb-install-db");
        install.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            &of_data,
        ]);
        driver::output(context, install.arg(as_user()), b"")?;

        let port = port::free();
        // A socket's path may be of some hundred bytes only.
        let socket = std::env::temp_dir().join(format!("forebay-tests-{port}.sock"));
        let log = std::fs::File::create(context.dir.join("mariadb.log"))?;
        let child = Command::new("mariadbd")
            .arg("--no-defaults")
            .arg(&of_data)
            .arg(as_user())
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--port={port}"))
            .args(["--bind-address=127.0.0.1", "--server-id=1", "--log-bin=changes", "--binlog-format=ROW"])
            .args(["--character-set-server=utf8mb4", "--innodb-buffer-pool-size=32M", "--sync-binlog=0"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|why| Failure::new(format!("mariadbd: {why}")))?;
        let server = Mariadb { child, port, socket };
        context.wait_until("the database answers", || server.ask(context, "SELECT 1").is_ok())?;
        server.run(
            context,
            &format!("CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO {USER}@'%';"),
        )?;
        Ok(server)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs statements, each for itself.
    pub fn run(&self, context: &Context, statements: &str) -> Outcome {
        self.ask(context, statements).map(|_| ())
    }

    /// What statements answer, rows as lines.
    pub fn ask(&self, context: &Context, statements: &str) -> Result<String, Failure> {
        let mut client = Command::new("mariadb");
        client.args([
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
            "-u",
            "root",
        ]);
        client.arg(format!("--socket={}", self.socket.display()));
        let said = driver::output(context, &mut client, statements.as_bytes())?;
        let text = String::from_utf8(said.out);
        ensure!(text.is_ok(), "the database answers in another encoding");
        Ok(text.unwrap_or_default())
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// It refuses to run as root unless it is told to.
fn as_user() -> String {
    format!("--user={}", std::env::var("USER").unwrap_or_else(|_| "root".into()))
}
