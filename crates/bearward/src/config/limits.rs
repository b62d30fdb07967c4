//! A guard's `limits`: how much callers may ask.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use bearward_guard::{LimitSettings, Rate};

use super::reader::Section;

const RATE: &str = "write a rate such as `50/s`, `1000/m` or `20000/h`";
const BURST: &str = "write a number of requests, such as `100`";

/// Reads it; what is left out is not limited.
pub(crate) fn read(guard: &Section<'_>) -> LimitSettings {
    let Some(section) = guard.section("limits") else { return LimitSettings::default() };
    let rate = |name: &'static str| section.parsed::<Written>(name, RATE).map(|written| written.0);
    let burst = section.parsed::<NonZeroU32>("burst", BURST);
    let with_burst =
        |rate: Option<Rate>| rate.map(|rate| Rate { burst: burst.unwrap_or(rate.burst), ..rate });
    let settings = LimitSettings {
        per_subject: with_burst(rate("perSubject")),
        per_client: with_burst(rate("perClient")),
        per_guard: rate("perGuard"),
        failures_per_address: rate("failuresPerAddress"),
    };
    if let Some(text) =
        section.text("burst").filter(|_| settings.per_subject.is_none() && settings.per_client.is_none())
    {
        section.error(
            text.at,
            "`burst` belongs to `perSubject` or `perClient`, and neither is set",
            "add one, or remove it",
        );
    }
    section.finish();
    settings
}

/// `50/s`, `20/m`, `1000/h`.
struct Written(Rate);

impl FromStr for Written {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a rate");
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        let count: NonZeroU32 = count.trim().parse().map_err(|_| wrong())?;
        Ok(Self(Rate::new(count, Duration::from_secs(seconds))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_and_a_unit_of_time() {
        for (text, count, seconds) in [("50/s", 50, 1), ("20/m", 20, 60), (" 1 / h", 1, 3600)] {
            let Written(rate) = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((rate.count.get(), rate.per.as_secs(), rate.burst.get()), (count, seconds, count));
        }
        for text in ["", "50", "50/", "/s", "0/s", "-1/s", "1.5/s", "50/d", "50/S"] {
            assert!(text.parse::<Written>().is_err(), "{text}");
        }
    }
}
