//! Redirects from behind: a `Location` on the upstream's own address is told in the caller's terms.

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Uri};

use crate::target::Target;

/// Rewrites a `Location` that points below the upstream's base into the same place below `resource`, and leaves any
/// other as it is. `resource` is the guarded URI.
pub fn rewrite(headers: &mut HeaderMap, upstream: &Target, resource: &str) {
    let place = headers.get(LOCATION).and_then(|value| value.to_str().ok()?.parse::<Uri>().ok());
    let Some(rest) = place.and_then(|place| upstream.below(&place)) else { return };
    let rewritten = match rest.as_str() {
        "" | "/" => resource.to_owned(),
        rest => format!("{}{rest}", resource.trim_end_matches('/')),
    };
    if let Ok(value) = HeaderValue::try_from(rewritten) {
        headers.insert(LOCATION, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(location: &str) -> String {
        let upstream = Target::new("http://10.0.0.1:3000/base/").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        rewrite(&mut headers, &upstream, "https://mcp.example.com/mcp");
        headers[LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_place_on_the_upstream_becomes_the_same_place_on_the_resource() {
        for (location, expected) in [
            ("http://10.0.0.1:3000/base/", "https://mcp.example.com/mcp"),
            ("http://10.0.0.1:3000/base", "https://mcp.example.com/mcp"),
            ("http://10.0.0.1:3000/base/x?q=1", "https://mcp.example.com/mcp/x?q=1"),
            ("/base/x", "https://mcp.example.com/mcp/x"),
        ] {
            assert_eq!(rewritten(location), expected);
        }
        for other in
            ["https://login.example.com/x", "http://10.0.0.1:3001/base/x", "/basement", "/other", "x"]
        {
            assert_eq!(rewritten(other), other);
        }
    }
}
