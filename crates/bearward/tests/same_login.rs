//! Two providers that would spend one refresh token, wherever each reads it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bearward::background::Background;
use bearward::config::Environment;
use bearward::sockets::Sockets;
use bearward_observe::Observer;
use tokio::net::TcpListener;

async fn start(calendar: &str, mail: &str) -> Result<Background, String> {
    let provider = |name: &str| {
        format!(
            "    - name: {name}
      url: https://{name}.example.com
      auth: {{grant: refresh_token, authority: 'http://127.0.0.1:1', clientId: b, clientAuth: none,
             refreshToken: {{env: {}}}, storage: {{refresh: memory}}, prefetch: false}}
",
            name.to_uppercase()
        )
    };
    let configuration = format!(
        "server: {{egress: '127.0.0.1:8090'}}\nmcp:\n  providers:\n{}{}",
        provider("calendar"),
        provider("mail")
    );
    let environment = [("CALENDAR", calendar), ("MAIL", mail)];
    let environment = Environment::new(environment.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let bind = || TcpListener::bind("127.0.0.1:0");
    let (listen, admin) = (bind().await.unwrap(), bind().await.unwrap());
    let sockets = Sockets { listen, admin, admin_socket: None, egress: None };
    let started = Background::start(&configuration, environment, Observer::new(), sockets).await;
    started.map_err(|error| error.to_string())
}

#[tokio::test]
async fn two_logins_may_stand_in_two_places_and_one_login_may_not() {
    start("refresh-of-calendar", "refresh-of-mail").await.unwrap().stop().await;
    let error = start("the-same", "the-same").await.err().unwrap();
    assert!(error.contains("`calendar` and `mail`") && !error.contains("the-same"), "{error}");
}
