//! Configurations, good and bad: what a person sees.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use bearward::config::{Environment, load, parse};
use miette::{GraphicalReportHandler, GraphicalTheme};

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| (name.to_string(), value.to_string())))
}

/// What is printed for a configuration that cannot be used.
fn report(source: &str, variables: &[(&str, &str)]) -> String {
    let errors = parse("bearward.yaml", source, environment(variables)).expect_err("it must be refused");
    let mut shown = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    handler.render_report(&mut shown, &errors).unwrap();
    shown
}

const GOOD: &str = "
guards:
  - resource: https://mcp.example.com/mcp
    upstream: {url: http://127.0.0.1:3000/mcp}
    issuers:
      - issuer: https://idp.example.com
";

#[test]
fn the_example_is_a_configuration_that_can_be_used_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/bearward.example.yaml");
    let loaded = load(path.as_ref(), environment(&[])).unwrap();
    assert_eq!(loaded.warnings.len(), 0);
    assert_eq!(loaded.settings.guards[0].resource.as_str(), "https://mcp.example.com/mcp");
    assert_eq!(
        loaded.settings.providers[0].request().unwrap().authority.as_str(),
        "https://tenant.us.auth0.com/"
    );
}

#[test]
fn the_least_configuration_gets_strict_defaults() {
    let guard = &parse("x", GOOD, environment(&[])).unwrap().settings.guards[0];
    assert_eq!(guard.issuers[0].expectations.audiences, ["https://mcp.example.com/mcp"]);
    assert_eq!(guard.issuers[0].expectations.skew.as_secs(), 30);
    assert_eq!(guard.cache_ttl.as_secs(), 60);
    assert_eq!(guard.max_body, 4 * 1024 * 1024);
    assert!(guard.allowed_origins.is_empty());
}

#[test]
fn every_error_is_shown_at_once_with_its_place_and_its_fix() {
    insta::assert_snapshot!(report(
        "server:
  listen: localhost
  egress: 0.0.0.0:8090
mcp:
  providers:
    - name: Notes API
      url: http://api.example.com
      auth:
        grant: sesion
        authority: http://idp.example.com
        clientId: a
        clientSecret: hunter2
guards:
  - resource: https://mcp.example.com/mcp
    upstraem: {url: http://127.0.0.1:3000}
    issuers:
      - issuer: idp.example.com
        algorithms: [HS256, none]
        clockSkew: 2h
    rules: [{}]
    cacheTtl: 5m
",
        &[]
    ));
}

// HARD 20
#[test]
fn a_secret_that_was_written_down_is_not_shown_again() {
    let source = "mcp: {providers: [{name: a, url: https://a, auth: {clientSecret: hunter2}}]}\nserver: {egress: 127.0.0.1:1}";
    assert!(!report(source, &[]).contains("hunter2"));
    assert!(!report("auth:\n  clientSecret: \"hunter2\"\n  x: [\n", &[]).contains("hunter2"));
}

#[test]
fn what_is_not_yaml_is_an_error_with_its_place() {
    insta::assert_snapshot!(report("guards:\n  - resource: [\n", &[]));
}

#[test]
fn a_token_never_leaves_over_plain_http_but_to_loopback_on_demand() {
    let provider = |url: &str, insecure: &str| {
        format!(
            "server: {{egress: 127.0.0.1:1}}\nmcp: {{providers: [{{name: a, url: '{url}', auth: {{grant: client_credentials, \
             authority: https://idp.example.com, clientId: a, clientSecret: {{env: S}}{insecure}}}}}]}}"
        )
    };
    let is_accepted =
        |url: &str, insecure: &str| parse("x", &provider(url, insecure), environment(&[])).is_ok();
    assert!(is_accepted("https://a.example", ""));
    assert!(is_accepted("http://127.0.0.1:9", ", allowInsecure: true"));
    assert!(!is_accepted("http://127.0.0.1:9", ""));
    assert!(!is_accepted("http://a.example", ", allowInsecure: true"));
}

#[test]
fn a_providers_token_goes_to_no_other_origin_than_the_providers_own() {
    let source = "
mcp: {providers: [{name: a, url: https://a.example/v1, auth: {grant: client_credentials,
  authority: https://idp.example.com, clientId: a, clientSecret: {env: S}}}]}
guards:
  - resource: https://mcp.example.com/mcp
    upstream: {url: https://UP/mcp, provider: a}
    issuers: [{issuer: https://idp.example.com}]
";
    assert!(parse("x", &source.replace("UP", "a.example"), environment(&[])).is_ok());
    let errors = parse("x", &source.replace("UP", "b.example"), environment(&[])).unwrap_err();
    assert!(errors.problems()[0].message().contains("another origin"), "{errors:?}");
}

#[test]
fn the_environment_overrides_any_value_and_says_so_when_it_leads_nowhere() {
    let set = [
        ("BEARWARD_GUARDS__0__REALM", "staging"),
        ("BEARWARD_SERVER__DRAIN", "3s"),
        ("BEARWARD_STATE_KEY", "k"),
    ];
    let settings = parse("x", GOOD, environment(&set)).unwrap().settings;
    assert_eq!((settings.guards[0].realm.as_str(), settings.server.drain.as_secs()), ("staging", 3));

    let errors = parse("x", GOOD, environment(&[("BEARWARD_GUARDS__7__REALM", "x")])).unwrap_err();
    assert!(errors.problems()[0].to_string().contains("BEARWARD_GUARDS__7__REALM"));
    let errors = parse("x", GOOD, environment(&[("BEARWARD_SERVER__LISTEN", "nowhere")])).unwrap_err();
    assert!(errors.problems()[0].to_string().contains("BEARWARD_SERVER__LISTEN"));
}

#[test]
fn an_open_sidecar_must_be_asked_for_in_so_many_words() {
    let open = format!("{GOOD}server: {{egress: '0.0.0.0:8090'}}");
    assert!(parse("x", &open, environment(&[])).is_err());
    let meant = format!("{GOOD}server: {{egress: '0.0.0.0:8090', egressOpenToOtherMachines: true}}");
    assert_eq!(parse("x", &meant, environment(&[])).unwrap().warnings.len(), 1);
    let socket = format!("{GOOD}server: {{egress: 'unix:/run/bearward.sock'}}");
    assert!(parse("x", &socket, environment(&[])).is_ok());
}

#[test]
fn a_guard_that_does_not_enforce_is_warned_of_and_never_lends_a_providers_token() {
    let with = |mode: &str| GOOD.replace("    issuers:", &format!("    mode: {mode}\n    issuers:"));
    for mode in ["off", "observe", "0%", "25%"] {
        let loaded = parse("x", &with(mode), environment(&[])).unwrap();
        assert_eq!(loaded.warnings.len(), 1, "{mode}");
    }
    for mode in ["enforce", "100%"] {
        assert!(parse("x", &with(mode), environment(&[])).unwrap().warnings.is_empty(), "{mode}");
    }
    for mode in ["on", "101%", "-1%", "half"] {
        assert!(report(&with(mode), &[]).contains("is not a mode"), "{mode}");
    }
    let provider = "
mcp: {providers: [{name: a, url: 'https://a.example', auth: {grant: client_credentials, authority: 'https://idp.example.com', clientId: a, clientSecret: {env: S}}}]}
guards:
  - {resource: 'https://mcp.example.com/mcp', upstream: {url: 'https://a.example/mcp', provider: a}, mode: observe, issuers: [{issuer: 'https://idp.example.com'}]}
";
    assert!(report(provider, &[]).contains("would lend the provider's token"));
}

const BY_VARIABLES: [(&str, &str); 3] = [
    ("BASE_URL", "https://mcp.example.com/"),
    ("MCP_BEARER_UPSTREAM_URL", "http://127.0.0.1:3000/mcp"),
    ("MCP_BEARER_ISSUER", "https://clerk.example.com"),
];

#[test]
fn a_guard_can_be_configured_by_variables_alone() {
    let guard = &parse("x", "", environment(&BY_VARIABLES)).unwrap().settings.guards[0];
    assert_eq!(guard.resource.as_str(), "https://mcp.example.com/mcp");
    assert_eq!(guard.issuers[0].expectations.audiences, ["https://mcp.example.com/mcp"]);
    assert!(guard.issuers[0].expectations.demands.is_empty());

    let all = [
        &BY_VARIABLES[..],
        &[
            ("MCP_BEARER_RESOURCE_URL", "https://mcp.example.com/v2/mcp"),
            ("MCP_BEARER_AUDIENCE", "api://mcp"),
            ("MCP_BEARER_TEMPLATE_NAME", "mcp-access"),
            ("MCP_BEARER_ALLOWED_USER_IDS", "user_1, user_2"),
            ("MCP_BEARER_REALM", "staging"),
            ("MCP_BEARER_CACHE_TTL_MS", "1500"),
        ],
    ];
    let guard = &parse("x", "", environment(&all.concat())).unwrap().settings.guards[0];
    assert_eq!(
        (guard.resource.as_str(), guard.realm.as_str()),
        ("https://mcp.example.com/v2/mcp", "staging")
    );
    assert_eq!(guard.cache_ttl.as_millis(), 1500);
    let expected = &guard.issuers[0].expectations;
    assert_eq!(
        (&expected.audiences, &expected.subjects),
        (&vec!["api://mcp".to_owned()], &vec!["user_1".into(), "user_2".into()])
    );
    assert_eq!(expected.demands_any.len(), 1, "the template");
}

#[test]
fn the_issuer_is_read_out_of_a_publishable_key() {
    let key = ("CLERK_PUBLISHABLE_KEY", "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k");
    let variables = [BY_VARIABLES[0], BY_VARIABLES[1], key];
    let guard = &parse("x", "", environment(&variables)).unwrap().settings.guards[0];
    assert_eq!(guard.issuers[0].issuer.as_str(), "https://clerk.example.com");
    // As the dashboard shows it: without padding.
    let unpadded = ("CLERK_PUBLISHABLE_KEY", "pk_live_Y2xlcmsuYWNtZS5leGFtcGxlJA");
    let variables = [BY_VARIABLES[0], BY_VARIABLES[1], unpadded];
    let guard = &parse("x", "", environment(&variables)).unwrap().settings.guards[0];
    assert_eq!(guard.issuers[0].issuer.as_str(), "https://clerk.acme.example");
    let wrong = [BY_VARIABLES[0], BY_VARIABLES[1], ("CLERK_PUBLISHABLE_KEY", "sk_test_secret")];
    let said = report("", &wrong);
    assert!(said.contains("no publishable key") && !said.contains("sk_test_secret"), "{said}");
    assert!(!said.contains("`guards` is missing"), "{said}");
}

#[test]
fn a_restriction_by_variable_that_restricts_nothing_is_an_error() {
    let with = |name, value| [&BY_VARIABLES[..], &[(name, value)]].concat();
    for (name, value) in
        [("MCP_BEARER_ALLOWED_USER_IDS", ", ,"), ("BEARWARD_GUARDS__0__ISSUERS__0__AUTHORIZED_PARTIES", ",")]
    {
        assert!(report("", &with(name, value)).contains("a list of nothing"), "{name}");
    }
    let empty = parse("x", "", environment(&with("MCP_BEARER_ALLOWED_USER_IDS", ""))).unwrap();
    assert!(empty.warnings.iter().any(|warning| warning.message().contains("every user may come in")));
    // With guards in the file nobody would heed it.
    for name in ["MCP_BEARER_ALLOWED_USER_IDS", "MCP_BEARER_TEMPLATE_NAME", "MCP_BEARER_AUDIENCE"] {
        assert!(report(GOOD, &[(name, "x")]).contains("is not used"), "{name}");
    }
}

#[test]
fn tokens_are_for_the_base_url_also_where_the_resource_is_another() {
    let another = [
        &BY_VARIABLES[..],
        &[("MCP_BEARER_RESOURCE_URL", "https://mcp.example.com/v2"), ("MCP_BEARER_PRESET", "okta")],
    ];
    let guard = &parse("x", "", environment(&another.concat())).unwrap().settings.guards[0];
    assert_eq!(guard.resource.as_str(), "https://mcp.example.com/v2");
    assert_eq!(guard.issuers[0].expectations.audiences, ["https://mcp.example.com/mcp"]);
    assert_eq!(guard.issuers[0].expectations.clients[0].as_str(), "cid");
}

#[test]
fn variables_that_say_too_little_or_too_much_or_nothing_here_are_told() {
    for left_out in &BY_VARIABLES {
        let variables: Vec<_> = BY_VARIABLES.iter().copied().filter(|one| one != left_out).collect();
        let said = report("", &variables);
        assert!(said.contains(&format!("`{}` is missing", left_out.0)), "{said}");
    }
    let too_long = [&BY_VARIABLES[..], &[("MCP_BEARER_CACHE_TTL_MS", "60001")]].concat();
    assert!(report("", &too_long).contains("longer than 60 s"));
    let beside = parse("x", GOOD, environment(&BY_VARIABLES)).unwrap();
    assert_eq!(beside.warnings.len(), 2);
    assert!(beside.warnings.iter().all(|warning| warning.to_string().contains("is not used")));
    assert_eq!(
        parse("x", GOOD, environment(&[BY_VARIABLES[0]])).unwrap().warnings.len(),
        0,
        "others use BASE_URL, too"
    );
}

#[test]
fn revocations_have_a_file_or_a_journal_or_both_beside_the_configuration() {
    let with =
        |revocation: &str| parse("x", &format!("{GOOD}\nrevocation: {revocation}\n"), environment(&[]));
    for (revocation, file, journal) in [
        ("{file: a}", Some("a"), None),
        ("{journal: b}", None, Some("b")),
        ("{file: a, journal: b}", Some("a"), Some("b")),
    ] {
        let settings = with(revocation).unwrap().settings.revocation;
        assert_eq!((settings.file, settings.journal), (file.map(Into::into), journal.map(Into::into)));
    }
    for (revocation, problem) in [
        ("{}", "names neither `file` nor `journal`"),
        ("{file: ''}", "`revocation.file` is empty"),
        ("{file: a, journal: ''}", "`revocation.journal` is empty"),
        ("{file: a, journal: }", "`revocation.journal` is missing"),
        ("{file: a, journal: a}", "are the same file"),
        ("{file: a, jornal: b}", "unknown key `revocation.jornal`"),
    ] {
        let errors = with(revocation).unwrap_err();
        let told: Vec<_> = errors.problems().iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains(problem), "{revocation}: {told:?}");
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bearward.yaml");
    std::fs::write(&path, format!("{GOOD}\nrevocation: {{file: a, journal: /b}}\n")).unwrap();
    let settings = load(&path, environment(&[])).unwrap().settings.revocation;
    assert_eq!((settings.file, settings.journal), (Some(folder.path().join("a")), Some("/b".into())));
}
