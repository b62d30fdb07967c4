//! How many tests passed, failed and were ignored, read from what the test runners print.

use std::ops::AddAssign;

/// The sums of one or more runs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) ignored: usize,
}

impl Counts {
    /// Reads `Summary [ 1.2s] 5 tests run: 4 passed (1 slow), 1 failed, 2 skipped` of nextest, and
    /// `test result: ok. 4 passed; 1 failed; 2 ignored; …` of every binary of `cargo test`.
    pub(super) fn read(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines().map(without_colour) {
            // What a failed test printed is shown again, indented: it has been counted.
            if line.trim_start().starts_with("Summary [") || line.starts_with("test result: ") {
                counts += Self::of_line(line.trim_start());
            }
        }
        counts
    }

    fn of_line(line: &str) -> Self {
        let mut counts = Self::default();
        let words: Vec<_> = line.split([' ', ',', ';', '(', ')']).filter(|word| !word.is_empty()).collect();
        for (number, word) in words.iter().zip(words.iter().skip(1)) {
            let Ok(number) = number.parse::<usize>() else { continue };
            match *word {
                "passed" => counts.passed += number,
                "failed" | "timed" | "exec" => counts.failed += number,
                "skipped" | "ignored" => counts.ignored += number,
                _ => {}
            }
        }
        counts
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

fn without_colour(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}
