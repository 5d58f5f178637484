//! `forebay disk`: the room that a broker has left, as its console shows it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Instant;

use serde_json::{Value, json};

use super::connect::is_host_and_port;
use crate::args::Disk;
use crate::exit::{Exit, Failure};
use crate::output::number::bytes;

/// More than a console answers, in bytes: its series are capped.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What a broker knows about its disk.
#[derive(Clone, Debug, PartialEq)]
struct DiskRoom {
    free_bytes: u64,
    reserve_bytes: u64,
    /// Until only the reserve is free; none while the disk does not fill up.
    forecast_s: Option<u64>,
    guard: String,
}

/// Asks the console of a broker and says how much room there is and for how long.
///
/// # Errors
/// When the broker slows producers or refuses them, when nobody answers, or when what answers is no console.
pub fn run(args: &Disk) -> Result<(), Failure> {
    if !is_host_and_port(&args.console) {
        return Err(Failure::usage(format!("--console {:?} is not HOST:PORT", args.console)));
    }
    let room = ask(args)?;
    let said = if args.json { format!("{}\n", as_json(&room)) } else { as_text(&room) };
    io::stdout().write_all(said.as_bytes())?;
    match room.guard.as_str() {
        "off" => Ok(()),
        _ => Err(Failure { exit: Exit::Failed, message: String::new() }),
    }
}

fn ask(args: &Disk) -> Result<DiskRoom, Failure> {
    let console = &args.console;
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Failure { exit: Exit::TimedOut, message: format!("timed out: asking {console}") }
        }
        _ => Failure::failed(format!("the connection to {console} was lost: {error}")),
    };
    let mut stream = connect(args)?;
    stream.set_read_timeout(Some(args.timeout)).map_err(told)?;
    stream.set_write_timeout(Some(args.timeout)).map_err(told)?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {console}\r\nconnection: close\r\n\r\n").map_err(told)?;
    let until = Instant::now() + args.timeout;
    let mut lines = BufReader::new(stream.take(ANSWER_BYTES_MAX)).lines();
    let status = lines.next().transpose().map_err(told)?.unwrap_or_default();
    let lines = lines.map_while(|line| {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        Some(if Instant::now() < until { line } else { Err(late()) })
    });
    let room = if status.starts_with("HTTP/1.1 200") { read(lines).map_err(told)? } else { None };
    room.ok_or_else(|| {
        Failure::failed(format!("{console} answers, but not as the http listener of a forebay ({status:?})"))
    })
}

fn connect(args: &Disk) -> Result<TcpStream, Failure> {
    let cannot = |why: io::Error| Failure {
        exit: Exit::CannotConnect,
        message: format!(
            "cannot connect to {}: {why}\nIs a broker running there? `forebay serve --listen http=HOST:PORT` opens a console.",
            args.console
        ),
    };
    let addresses: Vec<SocketAddr> = args.console.to_socket_addrs().map_err(cannot)?.collect();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect_timeout(&address, args.timeout) {
            Ok(stream) => return Ok(stream),
            Err(why) => last = why,
        }
    }
    Err(cannot(last))
}

/// Takes what is said about the disk out of metrics; `None` when any of it is missing.
fn read(lines: impl Iterator<Item = io::Result<String>>) -> io::Result<Option<DiskRoom>> {
    let (mut free, mut reserve, mut forecast, mut guard) = (None, None, None, None);
    for line in lines {
        let line = line?;
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        match series {
            "forebay_disk_free_bytes" => free = value.parse().ok(),
            "forebay_disk_reserve_bytes" => reserve = value.parse().ok(),
            "forebay_disk_forecast_seconds" => forecast = value.parse::<f64>().ok(),
            _ if value == "1" => {
                let state = series.strip_prefix("forebay_disk_guard{state=\"");
                guard = state.and_then(|state| state.strip_suffix("\"}")).map(str::to_owned).or(guard);
            }
            _ => {}
        }
    }
    let (Some(free_bytes), Some(reserve_bytes), Some(forecast), Some(guard)) =
        (free, reserve, forecast, guard)
    else {
        return Ok(None);
    };
    let forecast_s = forecast.is_finite().then_some(forecast as u64);
    Ok(Some(DiskRoom { free_bytes, reserve_bytes, forecast_s, guard }))
}

fn as_text(room: &DiskRoom) -> String {
    let forecast = match room.forecast_s {
        Some(seconds) => format!("{:.1} hours until only the reserve is free", seconds as f64 / 3600.0),
        None => "the disk does not fill up".into(),
    };
    let guard = match room.guard.as_str() {
        "off" => "off: producers are at full speed",
        "slow" => "slow: producers are slowed",
        "full" => "full: producers are refused",
        other => other,
    };
    format!(
        "free      {}\nreserve   {}\nforecast  {forecast}\nguard     {guard}\n",
        bytes(room.free_bytes),
        bytes(room.reserve_bytes)
    )
}

fn as_json(room: &DiskRoom) -> Value {
    json!({
        "free_bytes": room.free_bytes,
        "reserve_bytes": room.reserve_bytes,
        "forecast_seconds": room.forecast_s,
        "guard": room.guard,
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    const METRICS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n\
        # TYPE forebay_disk_free_bytes gauge\n\
        forebay_disk_free_bytes 5368709120\n\
        forebay_disk_reserve_bytes 1073741824\n\
        forebay_disk_forecast_seconds 9000\n\
        forebay_disk_guard{state=\"off\"} 0\n\
        forebay_disk_guard{state=\"slow\"} 1\n\
        forebay_disk_guard{state=\"full\"} 0\n";

    /// Asks a console that answers so.
    fn answered(answer: String) -> Result<DiskRoom, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let console = listener.local_addr().unwrap().to_string();
        let serving = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut asked = BufReader::new(&stream).lines();
            assert_eq!(asked.next().unwrap().unwrap(), "GET /metrics HTTP/1.1");
            assert!(asked.any(|line| line.unwrap().is_empty()));
            (&stream).write_all(answer.as_bytes()).unwrap();
        });
        let room = ask(&Disk { console, timeout: Duration::from_secs(30), json: false });
        serving.join().unwrap();
        room
    }

    #[test]
    fn what_the_console_knows_about_the_disk_is_shown() {
        let room = answered(METRICS.into()).unwrap();
        assert_eq!(
            as_text(&room),
            "free      5.0 GiB\nreserve   1.0 GiB\nforecast  2.5 hours until only the reserve is free\n\
             guard     slow: producers are slowed\n"
        );
        assert_eq!(as_json(&room)["forecast_seconds"], 9000);
        let quiet = answered(METRICS.replace("seconds 9000", "seconds +Inf")).unwrap();
        assert_eq!(as_json(&quiet)["forecast_seconds"], Value::Null);
        assert!(as_text(&quiet).contains("does not fill up"));
    }

    #[test]
    fn what_is_no_console_of_ours_is_said_to_be_none() {
        for answer in [
            METRICS.replace("200 OK", "404 Not Found"),
            METRICS.replace("forebay_disk_free_bytes", "node_filesystem_free_bytes"),
            String::new(),
        ] {
            assert_eq!(answered(answer).unwrap_err().exit, Exit::Failed);
        }
    }
}
