//! A share of all callers: the same ones every time, and none of them lost when it grows.

use crate::Fingerprint;

/// 0 to 100 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u8);

impl Share {
    /// A share of that many percent, at most 100.
    pub fn percent(percent: u8) -> Self {
        Self(percent.min(100))
    }

    /// Whether it holds `who`. `what` keeps unlike things apart: nobody is the first everywhere.
    pub fn includes(self, what: &str, who: &str) -> bool {
        // Lengths first, so that no two pairs are the same text.
        let hash = Fingerprint::of(&format!("{}:{what}{who}", what.len()));
        let bucket = hash.as_bytes().first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first) % 100);
        bucket < u64::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(percent: u8) -> usize {
        (0..10_000).filter(|n| Share::percent(percent).includes("a", &n.to_string())).count()
    }

    #[test]
    fn the_share_is_what_was_asked_for_and_grows_without_letting_anybody_go() {
        assert_eq!((size(0), size(100), size(255)), (0, 10_000, 10_000));
        for percent in [1, 25, 50, 99] {
            let expected = usize::from(percent) * 100;
            assert!(size(percent).abs_diff(expected) < 200, "{percent}: {}", size(percent));
        }
        let in_share = |percent: u8, n: u32| Share::percent(percent).includes("a", &n.to_string());
        assert!((0..1000).all(|n| !in_share(20, n) || in_share(40, n)));
    }

    #[test]
    fn callers_are_not_the_first_everywhere() {
        let at = |what: &str| {
            (0..100).map(|n| Share::percent(50).includes(what, &n.to_string())).collect::<Vec<_>>()
        };
        assert_ne!(at("https://a"), at("https://b"));
    }
}
