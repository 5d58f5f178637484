//! `forebay user`. A password comes from the environment or from standard input, never from the command line, where everybody on the
//! machine sees it; what is sent is its hash.

use std::io::{BufRead, IsTerminal, Write};

use forebay_kafka::model::Secret;
use forebay_kafka::model::user::PasswordHash;
use forebay_server::{SALT_RANDOM_BYTES, salt, salted_password};
use serde_json::{Value, json};

use super::connect::connect;
use crate::args::{self, UserAdd, UserList, UserRemove};
use crate::client::users::{self, CredentialListing};
use crate::exit::Failure;
use crate::output::table::Table;

/// The variable that a password may come in.
const PASSWORD_VARIABLE: &str = "FOREBAY_PASSWORD";

/// Does it.
///
/// # Errors
/// When it is refused, or fails.
pub fn run(args: &args::User) -> Result<(), Failure> {
    match args {
        args::User::Add(args) => add(args),
        args::User::Remove(args) => remove(args),
        args::User::List(args) => list(args),
    }
}

fn add(args: &UserAdd) -> Result<(), Failure> {
    let password = password(&args.user)?;
    let mut cluster = connect(&args.connect)?;
    let hash = args.mechanism.into();
    let mut random = [0; SALT_RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(Failure::failed)?;
    let salt = salt(random);
    let salted = salted_password(hash, password.expose(), &salt, args.iterations);
    let iterations = i32::try_from(args.iterations).map_err(Failure::usage)?;
    users::set(&mut cluster, &args.user, hash, iterations, salt, salted)?;
    Ok(writeln!(std::io::stdout(), "{} may log in by {}", args.user, hash.mechanism_name())?)
}

/// All credentials of a user, unless one is named.
fn remove(args: &UserRemove) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    let named = args.mechanism.map(PasswordHash::from);
    let mut removed = 0;
    for hash in PasswordHash::ALL.into_iter().filter(|hash| named.is_none_or(|named| named == *hash)) {
        match users::remove(&mut cluster, &args.user, hash) {
            Ok(()) => removed += 1,
            Err(why) if named.is_none() && users::is_missing(&why) => {}
            Err(why) => return Err(why.into()),
        }
    }
    if removed == 0 {
        return Err(Failure::failed(format!("there is no user {}", args.user)));
    }
    Ok(writeln!(std::io::stdout(), "removed {}", args.user)?)
}

fn list(args: &UserList) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    let found = users::list(&mut cluster)?;
    let name = |credential: &CredentialListing| credential.hash.map_or("?", PasswordHash::mechanism_name);
    let text = if args.json {
        let row = |credential: &CredentialListing| {
            json!({
                "user": credential.user,
                "mechanism": name(credential),
                "iterations": credential.iterations,
            })
        };
        format!("{:#}\n", Value::Array(found.iter().map(row).collect()))
    } else {
        let mut table = Table::new(&["USER", "MECHANISM", "ITERATIONS"], &[2]);
        for credential in &found {
            table.row([
                credential.user.clone(),
                name(credential).to_owned(),
                credential.iterations.to_string(),
            ]);
        }
        table.text()
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn password(user: &str) -> Result<Secret, Failure> {
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return not_empty(&password);
    }
    let mut input = std::io::stdin().lock();
    if input.is_terminal() {
        eprint!("password of {user} (it is shown): ");
    }
    let mut line = String::new();
    input.read_line(&mut line)?;
    not_empty(line.trim_end_matches(['\r', '\n']))
}

fn not_empty(password: &str) -> Result<Secret, Failure> {
    if password.is_empty() {
        return Err(Failure::usage(format!(
            "no password came from standard input, or from {PASSWORD_VARIABLE}"
        )));
    }
    Ok(password.as_bytes().to_vec().into())
}
