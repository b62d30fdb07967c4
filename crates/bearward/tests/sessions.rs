//! The application's login in a configuration: the broker, providers that live on it, and who decides what.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::time::Duration;

use bearward::config::settings::{GrantSettings, ProviderSettings, SessionSettings, Via};
use bearward::config::{Environment, Loaded, parse};
use bearward_client::{Level, Mode};

fn load(source: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    parse("x", source, Environment::new(variables)).map_err(|errors| {
        let said = |problem: &bearward::config::Problem| format!("{problem} | {}", problem.help());
        errors.problems().iter().map(said).collect::<Vec<_>>().join("\n")
    })
}

fn session(provider: &ProviderSettings) -> &SessionSettings {
    match &provider.grant {
        GrantSettings::Session(session) => session,
        other => panic!("{other:?}"),
    }
}

/// Name, value and level of every setting of the one provider.
fn explained(loaded: &Loaded) -> Vec<(String, String, Level)> {
    let settings = loaded.settings.providers[0].explained.iter();
    settings.map(|setting| (setting.name.clone(), setting.value.clone(), setting.level)).collect()
}

fn decided(loaded: &Loaded, name: &str) -> (String, Level) {
    let found = explained(loaded).into_iter().find(|(known, _, _)| known == name).expect(name);
    (found.1, found.2)
}

/// As the description of reuse writes it, bullets and all.
const AS_BULLETS: &str = "
  - default:
      mcp:
        reuseAuthorizer: true               # optional (pointer); omit to keep global disabled
        reuseAuthorizerMode: bearer_first   # optional (pointer)
      minTTL:
        access: 30m
        id: 10m
      storage:
        access: memory
        id: memory
        refresh: encrypted
  - mcp:
    providers:
      - name: tools-viant
        auth:
          reuseAuthorizer: true
          reuseAuthorizerMode: bearer_first
          authority: https://idp.example.com/realms/acme
          audience: mcp:tools
          minTTL:
            access: 30m
            id: 10m
          storage:
            access: memory
            id: memory
            refresh: encrypted
";

/// As the description of its rollout writes it.
const AS_APPENDIX: &str = "
- default:
    mcp:
      reuseAuthorizer: true
      reuseAuthorizerMode: bearer_first
      minTTL:
        access: 30m
        id: 10m
      storage:
        access: memory
        id: memory
        refresh: encrypted
- mcp:
    providers:
      - name: tools-viant
        auth:
          reuseAuthorizer: true
          reuseAuthorizerMode: bearer_first
          authority: https://idp.example.com/realms/acme
          audience: mcp:tools
";

#[test]
fn both_ways_in_which_reuse_is_described_load_as_they_are_written() {
    for source in [AS_BULLETS, AS_APPENDIX] {
        let loaded = load(source, &[]).unwrap();
        let provider = &loaded.settings.providers[0];
        assert_eq!(provider.name, "tools-viant");
        assert_eq!(session(provider).authority.as_str(), "https://idp.example.com/realms/acme");
        assert_eq!(session(provider).audience(), Some("mcp:tools"));
        assert_eq!(provider.min_ttl.access, Duration::from_secs(1800));
        assert!(session(provider).levels.reuse().value);
        assert!(!loaded.settings.serves());
    }
}

#[test]
fn every_setting_of_a_provider_is_explained_by_its_value_and_who_decided_it() {
    let loaded = load(AS_APPENDIX, &[]).unwrap();
    let lines = loaded.settings.providers[0].explained.iter().map(|setting| {
        let at = setting.at.as_deref().unwrap_or("–");
        format!("{}: {} by {} at {at}\n", setting.name, setting.value, setting.level)
    });
    insta::assert_snapshot!(lines.collect::<String>());
}

#[test]
fn the_highest_level_that_says_anything_decides() {
    const BOTH: &str = "
default: {mcp: {reuseAuthorizer: true, reuseAuthorizerMode: cookie_first}}
mcp: {providers: [{name: a, auth: {authority: 'https://idp.example', audience: x, AUTH}}]}";
    let with = |auth: &str, variables: &[(&str, &str)]| load(&BOTH.replace("AUTH", auth), variables).unwrap();
    let global = with("", &[]);
    assert_eq!(decided(&global, "reuseAuthorizer"), ("true".into(), Level::Global));
    assert_eq!(decided(&global, "reuseAuthorizerMode"), ("cookie_first".into(), Level::Global));
    let provider = with("reuseAuthorizer: false, reuseAuthorizerMode: bearer-first", &[]);
    assert_eq!(decided(&provider, "reuseAuthorizer"), ("false".into(), Level::Provider));
    assert_eq!(decided(&provider, "reuseAuthorizerMode"), ("bearer_first".into(), Level::Provider));
    let variables = [("MCP_REUSE_AUTHORIZER", "1"), ("MCP_REUSE_AUTHORIZER_MODE", "Cookie-First")];
    let environment = with("reuseAuthorizer: false", &variables);
    assert_eq!(decided(&environment, "reuseAuthorizer"), ("true".into(), Level::Env));
    assert_eq!(decided(&environment, "reuseAuthorizerMode"), ("cookie_first".into(), Level::Env));
    let nobody =
        load("mcp: {providers: [{name: a, auth: {authority: 'https://idp.example', audience: x}}]}", &[])
            .unwrap();
    assert_eq!(decided(&nobody, "reuseAuthorizer"), ("false".into(), Level::BuiltIn));
    assert_eq!(session(&nobody.settings.providers[0]).levels.mode().value, Mode::BearerFirst);
    let flags = bearward_client::Choice { reuse: Some(false), mode: None };
    let said = [("MCP_REUSE_AUTHORIZER".to_owned(), "true".to_owned())];
    let environment = Environment::new(said).with_flags(flags);
    let by_flag = parse("x", &BOTH.replace("AUTH", ""), environment).unwrap();
    assert!(!session(&by_flag.settings.providers[0]).levels.reuse().value);
    assert_eq!(decided(&by_flag, "reuseAuthorizer"), ("false".into(), Level::Cli));
}

#[test]
fn a_switch_that_is_misspelt_is_an_error_and_no_default() {
    for (name, value) in
        [("MCP_REUSE_AUTHORIZER", "yes"), ("MCP_REUSE_AUTHORIZER", ""), ("MCP_REUSE_AUTHORIZER_MODE", "both")]
    {
        let error = load(AS_APPENDIX, &[(name, value)]).unwrap_err();
        assert!(error.contains(name) && error.contains(value) && error.contains("write"), "{error}");
    }
}

const BROKER: &str = "
server: {publicUrl: https://app.example.com}
default: {mcp: {reuseAuthorizer: true, storage: {refresh: memory}}}
broker: {issuer: https://idp.example.com, clientId: app, clientSecret: {env: S}, resource: https://mcp.example.com/mcp, MORE}
mcp: {providers: [{name: tools, AUTH}]}
";

fn with_broker(more: &str, provider: &str) -> Result<Loaded, String> {
    load(&BROKER.replace("MORE", more).replace("AUTH", provider), &[])
}

#[test]
fn a_broker_says_where_users_sign_in_and_its_providers_take_the_rest_from_it() {
    let auth = "url: https://mcp.example.com/mcp, auth: {resource: https://mcp.example.com/mcp}";
    let loaded =
        with_broker("scopes: [openid, offline_access], loginParameters: {prompt: consent}", auth).unwrap();
    let broker = loaded.settings.broker.as_ref().unwrap();
    assert_eq!(broker.login_parameters, [("prompt".to_owned(), "consent".to_owned())]);
    assert_eq!(broker.redirect_uri(), "https://app.example.com/auth/callback");
    assert_eq!(broker.request.scopes.to_string(), "offline_access openid");
    assert_eq!(
        (broker.idle, broker.absolute),
        (Duration::from_secs(8 * 3600), Duration::from_secs(168 * 3600))
    );
    let session = session(&loaded.settings.providers[0]);
    assert_eq!((session.via, session.authority.as_str()), (Via::Login, "https://idp.example.com"));
    assert_eq!(
        session.origins.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["https://mcp.example.com"]
    );
    for both in ["audience: https://mcp.example.com/mcp, resource: https://other.example", "audience: other"]
    {
        let auth = format!("auth: {{{both}, origins: [https://a.example]}}");
        let other = with_broker("", &auth).unwrap();
        assert_eq!(self::session(&other.settings.providers[0]).via, Via::TokenExchange, "{both}");
    }
    let other =
        with_broker("", "auth: {audience: other, origins: [https://a.example, 'https://b.example:8443']}")
            .unwrap();
    assert!(matches!(&other.settings.providers[0].grant, GrantSettings::Session(session)
        if session.via == Via::TokenExchange && session.origins.len() == 2));
    assert!(loaded.settings.secrets().iter().any(|(what, _)| what == "broker"));
}

#[test]
fn what_a_broker_cannot_work_with_is_refused_with_a_way_out() {
    let fine = "auth: {audience: x, origins: [https://a.example]}";
    for (more, auth, message) in [
        ("scopes: [profile]", fine, "does not say who has signed in"),
        ("publicUrl: http://app.example.com", fine, "plain HTTP"),
        ("publicUrl: https://app.example.com/path", fine, "more than an origin"),
        ("session: {idle: 2h, absolute: 1h}", fine, "cannot be idle for longer"),
        ("session: {idle: 1s}", fine, "out of bounds"),
        ("session: {absolute: 721h}", fine, "out of bounds"),
        ("loginParameters: {state: x}", fine, "is said by Bearward itself"),
        ("cookie: 'a b'", fine, "cannot be a cookie's name"),
        ("origins: [https://x.example/path]", fine, "more than an origin"),
        ("origins: ['http://x.example']", fine, "plain HTTP"),
        ("afterLogout: /bye", fine, "no URL that a browser can go to"),
        ("sessions: {}", fine, "unknown key `broker.sessions`"),
        ("", "auth: {audience: x, origins: [https://a.example/mcp]}", "more than an origin"),
        ("", "auth: {audience: x, origins: ['http://127.0.0.1:3000']}", "plain HTTP"),
        ("", "auth: {origins: ['http://a.example'], allowInsecure: true}", "plain HTTP"),
        ("", "auth: {via: login, audience: other, origins: [https://a.example]}", "for something else"),
        ("", "auth: {via: magic}", "no way to a session's token"),
        ("", "auth: {origins: [https://a.example]}", "does not say what its tokens are for"),
        (
            "",
            "auth: {via: refresh_token, origins: [https://a.example]}",
            "does not say what its tokens are for",
        ),
        ("", "auth: {audience: ''}", "audience` is empty"),
        (
            "",
            "url: https://a.example/mcp, auth: {audience: x, origins: [https://b.example]}",
            "its own `url`",
        ),
        ("", "auth: {clientId: b}", "of no use to grant `session`"),
        ("", "auth: {audience: x, handOut: true}", "`handOut` is for a token that all share"),
        ("", "auth: {prefetch: true}", "of no use to grant `session`"),
        ("", "auth: {audience: x, storage: {access: encrypted}}", "kept in memory alone"),
        ("", "auth: {reuseAuthorizer: perhaps}", "write `true` or `false`"),
        ("", "auth: {reuseAuthorizerMode: both}", "no mode of reuse"),
        (
            "",
            "auth: {grant: static, token: {env: T}, reuseAuthorizer: true}, url: https://a.example",
            "of no use to grant",
        ),
    ] {
        let error = with_broker(more, auth).err().unwrap_or_else(|| panic!("{more} {auth}"));
        assert!(error.contains(message), "{more} {auth}: {error}");
    }
    let unkept = BROKER.replace(", storage: {refresh: memory}", "").replace("MORE", "").replace("AUTH", fine);
    assert!(load(&unkept, &[]).unwrap_err().contains("sessions are kept in sealed files"));
    let keychain =
        BROKER.replace("refresh: memory", "refresh: keychain").replace("MORE", "").replace("AUTH", fine);
    assert!(load(&keychain, &[]).unwrap_err().contains("one user's keychain"));
}

// HARD 30
#[test]
fn what_deserves_a_word_gets_one() {
    for (more, auth, message) in [
        (
            "publicUrl: 'http://127.0.0.1:8080'",
            "auth: {audience: x, origins: [https://a.example]}",
            "`dev-session` for `__Host-session`",
        ),
        ("", "auth: {audience: x}", "auth_origin_not_allowed"),
        (
            "origins: [https://x.example]",
            "auth: {audience: x, origins: [https://a.example]}",
            "everybody is signed out when the process ends",
        ),
        (
            "",
            "auth: {authority: https://idp.example.com/other, audience: x, origins: [https://a.example]}",
            "auth_authority_mismatch",
        ),
        (
            "",
            "auth: {audience: x, audiences: [y], origins: [https://a.example]}",
            "auth_audience_not_allowed",
        ),
        (
            "",
            "auth: {audience: x, origins: [https://a.example]}",
            "everybody is signed out when the process ends",
        ),
        (
            "",
            "auth: {audience: x, storage: {refresh: encrypted}, origins: [https://a.example]}",
            "not where a provider does",
        ),
    ] {
        let loaded = with_broker(more, auth).unwrap();
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert!(
            loaded.warnings.iter().any(|warning| format!("{warning} {}", warning.help()).contains(message)),
            "{more} {auth}: {warnings:?}"
        );
    }
}

#[test]
fn a_providers_token_goes_to_an_upstream_of_its_own_origins_alone_and_only_where_somebody_signs_in() {
    let guard = "
guards:
  - resource: https://mcp.example.com/mcp
    upstream: {url: 'UPSTREAM', provider: tools}
    issuers: [{issuer: 'https://idp.example.com', preset: oidc, audience: 'https://mcp.example.com/mcp'}]
";
    let auth = "auth: {audience: x, origins: [https://tools.example.com]}";
    let source = BROKER.replace("MORE", "").replace("AUTH", auth) + guard;
    assert!(load(&source.replace("UPSTREAM", "https://tools.example.com/mcp"), &[]).is_ok());
    for foreign in
        ["https://tools.example.com.evil.example/", "https://example.com/", "https://tools.example.com:8443/"]
    {
        let error = load(&source.replace("UPSTREAM", foreign), &[]).unwrap_err();
        assert!(error.contains("another origin") && error.contains("auth.origins"), "{foreign}: {error}");
    }
    let without: String =
        source.lines().filter(|line| !line.starts_with("broker:")).map(|line| format!("{line}\n")).collect();
    let without = without.replace("auth: {", "auth: {authority: https://idp.example.com, ");
    let error = load(&without.replace("UPSTREAM", "https://tools.example.com/mcp"), &[]).unwrap_err();
    assert!(error.contains("nobody signs in here"), "{error}");
}

#[test]
fn a_mode_that_counts_for_programs_alone_and_a_switch_that_is_off_are_told_where_requests_go_through_here() {
    let egress = "server: {publicUrl: https://app.example.com, egress: '127.0.0.1:8090'}";
    let source = BROKER.replace("server: {publicUrl: https://app.example.com}", egress).replace("MORE", "");
    for (auth, message) in [
        ("reuseAuthorizerMode: cookie_first", "is for programs that call it themselves"),
        ("reuseAuthorizer: false", "reuse is off for it, as `provider` decides"),
    ] {
        let auth = format!("url: https://a.example/mcp, auth: {{audience: x, {auth}}}");
        let loaded = load(&source.replace("AUTH", &auth), &[]).unwrap();
        assert!(loaded.warnings.iter().any(|warning| warning.to_string().contains(message)), "{auth}");
    }
    // The command line's word is heard before anything is said.
    let off = "url: https://a.example/mcp, auth: {audience: x, reuseAuthorizer: false}";
    let flags = bearward_client::Choice { reuse: Some(true), mode: None };
    let loaded = parse("x", &source.replace("AUTH", off), Environment::new([]).with_flags(flags)).unwrap();
    assert!(!loaded.warnings.iter().any(|warning| warning.to_string().contains("reuse is off")));
}

#[test]
fn what_explains_a_provider_is_true_and_shows_no_secret() {
    let source = "
server: {egress: '127.0.0.1:8090'}
mcp:
  providers:
    - name: notes
      url: https://api.example.com
      auth:
        grant: {first: token_exchange, otherwise: client_credentials, share: 10%}
        authority: https://idp.example.com
        clientId: b
        clientSecret: {env: S}
        allowInsecure: true
        parameters: {api_key: SUPERSECRET, organization: org_1}
";
    let loaded = load(source, &[]).unwrap();
    assert_eq!(decided(&loaded, "grant.first").0, "token_exchange");
    assert_eq!(decided(&loaded, "grant.share").0, "10%");
    assert_eq!(decided(&loaded, "allowInsecure"), ("true".into(), Level::Provider));
    assert_eq!(decided(&loaded, "clientSecret.env").0, "S");
    assert_eq!(decided(&loaded, "parameters.organization").0, "org_1");
    assert!(explained(&loaded).iter().all(|(_, value, _)| !value.contains("SUPERSECRET")));
    let session = "mcp: {providers: [{name: a, auth: {authority: 'https://idp.example', audience: x, reuseAuthorizer: true}}]}";
    let overridden =
        load(session, &[("BEARWARD_MCP__PROVIDERS__0__AUTH__REUSE_AUTHORIZER", "false")]).unwrap();
    let rows: Vec<_> =
        explained(&overridden).into_iter().filter(|(name, ..)| name.contains("euse")).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(decided(&overridden, "reuseAuthorizer"), ("false".into(), Level::Provider));
}

#[test]
fn a_variable_that_was_meant_for_a_section_or_has_another_name_is_an_error() {
    let source = "mcp: {providers: [{name: a, auth: {authority: 'https://idp.example', audience: x}}]}";
    for (name, help) in [
        ("BEARWARD_MCP_REUSE_AUTHORIZER", "it is called `MCP_REUSE_AUTHORIZER`"),
        ("BEARWARD_DEFAULT_MCP", "BEARWARD_DEFAULT__MCP"),
        ("BEARWARD_BROKER_CLIENTID", "BEARWARD_BROKER__CLIENTID"),
    ] {
        let error = load(source, &[(name, "false")]).expect_err(name);
        assert!(error.contains(help), "{name}: {error}");
    }
}

#[test]
fn a_sign_in_names_its_own_resource_beside_those_of_others() {
    let provider =
        "auth: {resource: https://a.example/mcp, via: refresh_token, origins: [https://a.example]}";
    assert!(with_broker("", provider).is_ok());
    let without = BROKER.replace("resource: https://mcp.example.com/mcp, MORE", "").replace("AUTH", provider);
    assert!(load(&without, &[]).unwrap_err().contains("nothing says what the session's own is for"));
}

#[test]
fn what_ends_sessions_outlives_the_process_where_sessions_do() {
    let fine = "auth: {audience: x, origins: [https://a.example]}";
    let source = BROKER.replace("MORE", "").replace("AUTH", fine);
    assert_eq!(load(&source, &[]).unwrap().settings.revocation.journal, None);
    let kept = source.replace(", storage: {refresh: memory}", "")
        + "state: {backend: file, path: s, key: {env: K}}\n";
    let journal = load(&kept, &[]).unwrap().settings.revocation.journal;
    assert_eq!(journal, Some("s/revocations.jsonl".into()));
    let elsewhere = kept + "revocation: {journal: elsewhere.jsonl}\n";
    assert_eq!(load(&elsewhere, &[]).unwrap().settings.revocation.journal, Some("elsewhere.jsonl".into()));
}

#[test]
fn a_broker_behind_a_proxy_that_is_not_believed_is_warned_of() {
    let fine = "auth: {audience: x, origins: [https://a.example]}";
    let said = |source: &str| {
        let loaded = load(source, &[]).unwrap();
        loaded.warnings.iter().any(|warning| warning.to_string().contains("is one address"))
    };
    let source = BROKER.replace("MORE", "").replace("AUTH", fine);
    assert!(said(&source));
    let believed = source.replace("server: {", "server: {trustedProxies: [127.0.0.1], ");
    assert!(!said(&believed));
}
