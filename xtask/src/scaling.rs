//! Growth on paper: how many instances a number of users needs, and what their issuer sees of them.
//!
//! The model is arithmetic (`model`), and a simulation of single requests says whether the arithmetic is right
//! (`simulation`). docs/scaling.md shows what it prints.

mod model;
mod simulation;

use clap::Args;
use serde::Serialize;

use crate::outcome::Stop;
use model::{Fleet, Load};

/// Prints the table of docs/scaling.md.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask scaling                           10³ to 10⁷ users\n  \
    cargo xtask scaling --users 25000 --json      one number of users, for a program\n  \
    cargo xtask scaling --requests 10             users who ask less")]
pub(crate) struct Scaling {
    /// How many users are active at once; default: 1000, 10000, … 10000000.
    #[arg(long, value_name = "NUMBER")]
    users: Vec<u64>,
    /// Requests of one user in an hour.
    #[arg(long, value_name = "NUMBER", default_value_t = model::REQUESTS)]
    requests: f64,
    /// For a program.
    #[arg(long)]
    json: bool,
}

/// One line.
#[derive(Debug, Serialize)]
struct Row {
    users: u64,
    /// Instances share what they know in Redis.
    shared: bool,
    instances: u64,
    requests_per_second: f64,
    #[serde(flatten)]
    issuer: model::AtIssuer,
}

impl Scaling {
    /// # Errors
    /// None.
    pub(crate) fn run(&self) -> Result<(), Stop> {
        let rows = self.rows();
        if self.json {
            println!("{}", serde_json::json!(rows));
            return Ok(());
        }
        print!("{}", table(&rows));
        println!(
            "\nEach of the last three is for a deployment in which every user needs it. Assumptions: docs/scaling.md"
        );
        Ok(())
    }

    fn rows(&self) -> Vec<Row> {
        let users = match self.users.as_slice() {
            [] => vec![1_000, 10_000, 100_000, 1_000_000, 10_000_000],
            users => users.to_vec(),
        };
        users.iter().flat_map(|users| [false, true].map(|shared| self.row(*users, shared))).collect()
    }

    fn row(&self, users: u64, shared: bool) -> Row {
        let load = Load { users, requests: self.requests };
        let fleet = Fleet { instances: load.instances(), is_shared: shared };
        let (instances, requests_per_second) = (fleet.instances, load.at_peak());
        Row { users, shared, instances, requests_per_second, issuer: fleet.at_issuer(load) }
    }
}

fn table(rows: &[Row]) -> String {
    let titles = [
        format!(
            "{:>10} {:>6} {:>9} {:>9}   at the issuer, in an hour",
            "users", "Redis", "instances", "req/s"
        ),
        format!(
            "{:>37}   {:>8} {:>9} {:>12} {:>12} {:>14}",
            "", "keys", "machine", "logins", "exchanges", "introspections"
        ),
    ];
    let lines = rows.iter().map(|row| {
        let model::AtIssuer { keys, machine_tokens, logins, exchanges, introspections } = row.issuer;
        let shared = if row.shared { "yes" } else { "no" };
        let Row { users, instances, requests_per_second, .. } = row;
        format!(
            "{users:>10} {shared:>6} {instances:>9} {requests_per_second:>9.0}   {keys:>8.0} {machine_tokens:>9.0} \
             {logins:>12.0} {exchanges:>12.0} {introspections:>14.0}"
        )
    });
    titles.into_iter().chain(lines).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_shows_what_the_program_prints() {
        let scaling = Scaling { users: Vec::new(), requests: model::REQUESTS, json: false };
        let document = std::fs::read_to_string(crate::root::root().join("docs/scaling.md")).unwrap();
        assert!(
            document.contains(&format!("```text\n{}```\n", table(&scaling.rows()))),
            "docs/scaling.md is old"
        );
    }
}
