use http::{HeaderName, HeaderValue};

use super::*;

const NOW_MS: u64 = 1_800_000_000_000;

fn read(headers: &[(&'static str, &'static str)]) -> Option<Quota> {
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    Quota::read(&headers, NOW_MS)
}

#[test]
fn auth0s_quotas_are_read_each_by_itself() {
    let quota = read(&[
        ("auth0-client-quota-limit", "b=per_hour;q=10;r=7;t=3540,b=per_day;q=100;r=9;t=80000"),
        ("auth0-organization-quota-limit", "b=per_hour;q=20;r=0;t=60"),
    ])
    .unwrap();
    let limit = |name, most, left, t| Limit { name, most, left, resets_in: Duration::from_secs(t) };
    let expected = [
        limit("per_hour", 10, 7, 3540),
        limit("per_day", 100, 9, 80_000),
        limit("organization_per_hour", 20, 0, 60),
    ];
    assert_eq!(quota.limits, expected);
    assert_eq!(quota.limits.iter().map(Limit::is_low).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(quota.spent_for(), None, "other organizations are not to wait");
    let spent = read(&[("auth0-client-quota-limit", "b=per_hour;q=10;r=0;t=60")]).unwrap();
    assert_eq!(spent.spent_for(), Some(Duration::from_secs(60)));
}

#[test]
fn counted_requests_are_read_with_the_second_in_which_they_begin_anew() {
    let headers =
        |reset| [("x-ratelimit-limit", "50"), ("x-ratelimit-remaining", "49"), ("x-ratelimit-reset", reset)];
    let quota = read(&headers("1800000030")).unwrap();
    assert_eq!(quota.limits[0].resets_in, Duration::from_secs(30));
    assert_eq!(quota.spent_for(), None);
    assert_eq!(read(&headers("1")).unwrap().limits[0].resets_in, Duration::ZERO, "long ago");
    assert_eq!(read(&headers("99999999999")).unwrap().limits[0].resets_in, Duration::from_secs(LONGEST));
    assert_eq!(
        read(&headers("1800000030500")).unwrap().limits[0].resets_in,
        Duration::from_secs(30),
        "in ms"
    );
}

// HARD 9
#[test]
fn when_counted_requests_begin_anew_is_read_by_the_servers_own_clock() {
    let read = |date| {
        let mut headers = vec![
            ("x-ratelimit-limit", "50"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1800003630"),
        ];
        headers.extend(date);
        read(&headers).unwrap()
    };
    // An hour ahead of ours.
    let dated = read(Some(("date", "Fri, 15 Jan 2027 09:00:00 GMT")));
    assert_eq!(dated.spent_for(), Some(Duration::from_secs(30)));
    for date in [None, Some(("date", "yesterday"))] {
        assert_eq!(read(date).spent_for(), Some(LONGEST_BY_DATE), "{date:?}");
    }
}

#[test]
fn what_is_no_quota_is_none() {
    for text in ["", "q=1", "b=per_hour;q=x;r=7;t=1", "b=per_hour;q=1;r=-1;t=1", ";;;,,,=", "b=per_hour"] {
        assert_eq!(read(&[("auth0-client-quota-limit", text)]), None, "{text}");
    }
    assert_eq!(read(&[("x-ratelimit-limit", "5")]), None);
    let unlimited =
        [("x-ratelimit-limit", "0"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800000030")];
    assert_eq!(read(&unlimited), None);
    assert_eq!(read(&[("auth0-client-quota-limit", "b=per_hour;q=0;r=0;t=60")]), None);
    assert_eq!(read(&[]), None);
    let other = read(&[("auth0-client-quota-limit", "b=alice@example.com;q=1;r=1;t=1")]).unwrap();
    assert_eq!(other.limits[0].name, "other", "no label from outside");
}

#[test]
fn what_is_left_is_spaced_out_over_the_time_until_it_begins_anew() {
    let limit = Limit { name: "per_hour", most: 10, left: 1, resets_in: Duration::from_secs(600) };
    assert_eq!(limit.spacing(), Duration::from_secs(300));
    let spent = Limit { left: 0, ..limit };
    assert_eq!(spent.spacing(), Duration::from_secs(600));
}
