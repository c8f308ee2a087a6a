//! Both far ends of many calls that somebody else has set up: sends and receives in one tight loop, on one processor.
//!
//! Reads one JSON document ([`config::Config`]) from standard input and writes one ([`figures::Figures`]) to standard
//! output when it is through. The sockets are inherited.

mod call;
mod config;
mod figures;
mod run;
mod stream;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = serde_json::from_reader(io::stdin().lock())
        .map_err(io::Error::from)
        .and_then(run::run)
        .and_then(|figures| serde_json::to_writer(io::stdout().lock(), &figures).map_err(io::Error::from));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("media-generator: {error}");
            ExitCode::FAILURE
        }
    }
}
