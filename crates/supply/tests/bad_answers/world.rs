//! A real authorization server, a real client of it, and one clock for both that moves when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bearward_issuer::{ClientAuth, Discovery, FixedCredential, KnownMetadata, OauthClient};
use bearward_observe::{Follower, Observer};
use bearward_supply::{ClientCredentials, Handle, Supplied, SupplyError, TokenManager, TokenRequest, Wanted};
use bearward_testbed::authorization_server::{Client, ClientAuth as Registered, Place, TokenFormat};
use bearward_testbed::{Algorithm, AuthorizationServer};
use bearward_token::{ClientSecret, Clock, ManualClock};

use crate::hidden::Log;
use crate::watched::Watched;

pub(crate) const SECRET: &str = "kept+secret &=%:d";

/// Shared by the rows of one table, connections included: a bad answer must not spoil the next one.
pub(crate) struct World {
    pub(crate) server: AuthorizationServer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) fetch: Arc<Watched>,
    pub(crate) log: Log,
    /// The server neither answers nor closes: time goes on with requests under way.
    hangs: AtomicBool,
    /// The token endpoint is looked up and not configured.
    discovers: bool,
}

/// One manager with one token, and whoever listens to it.
pub(crate) struct Supply {
    pub(crate) manager: TokenManager,
    pub(crate) handle: Handle,
    pub(crate) events: Follower,
}

impl World {
    pub(crate) async fn new() -> Self {
        let log = Log::capture();
        let clock = Arc::new(ManualClock::at_unix_ms(1_800_000_000_000));
        let server = AuthorizationServer::builder()
            .clock(clock.clone())
            .algorithm(Algorithm::EdDsa)
            .token_format(TokenFormat::Opaque)
            .client(Client::new("basic", Registered::SecretBasic(SECRET.into())))
            .start()
            .await
            .unwrap();
        let (fetch, hangs) = (Arc::new(Watched::new()), AtomicBool::new(false));
        Self { server, clock, fetch, log, hangs, discovers: false }
    }

    /// The same, where the metadata says which token endpoint is asked.
    pub(crate) async fn discovering() -> Self {
        Self { discovers: true, ..Self::new().await }
    }

    pub(crate) fn set_hangs(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }

    pub(crate) fn grant(&self) -> ClientCredentials {
        let discovery = Discovery::new(self.fetch.clone(), self.clock.clone());
        let credential = Arc::new(FixedCredential(ClientSecret::new(SECRET)));
        let auth = ClientAuth::SecretBasic;
        let issuer = self.server.issuer().parse().unwrap();
        ClientCredentials::new(TokenRequest {
            metadata: KnownMetadata::new(issuer, discovery, self.clock.clone()),
            token_endpoint: (!self.discovers).then(|| self.server.token_endpoint().parse().unwrap()),
            client: OauthClient::new("basic", auth, credential, self.fetch.clone(), self.clock.clone()),
            audience: None,
            resource: None,
            scopes: Default::default(),
            extra: Vec::new(),
        })
    }

    pub(crate) fn supply(&self) -> Supply {
        let observer = Observer::new();
        let events = observer.follow();
        let manager = TokenManager::new(self.clock.clone(), observer, 7);
        let grant = self.grant();
        let handle = manager.handle("api", &grant.key(), Arc::new(grant));
        Supply { manager, handle, events }
    }

    /// A good day from now on.
    pub(crate) fn heal(&self) {
        self.server.faults().clear();
    }

    /// Moves time in steps, and lets all that can happen happen in between.
    pub(crate) async fn pass(&self, time: Duration) {
        let step = (time / 240).max(Duration::from_millis(10));
        let mut passed = Duration::ZERO;
        self.settle().await;
        while passed < time {
            self.clock.advance(step);
            passed += step;
            self.settle().await;
        }
    }

    /// Until every request is answered, or is at a server that does not answer.
    pub(crate) async fn settle(&self) {
        loop {
            yield_to_all().await;
            if self.fetch.is_quiet() {
                return;
            }
            if self.hangs.load(Ordering::SeqCst) {
                // Time may go on when the server has the request; real time passes here in microseconds.
                while self.server.counts().snapshot().at(Place::Token) < self.fetch.posts() {
                    yield_to_all().await;
                }
                return;
            }
            self.fetch.ended().await;
        }
    }
}

impl Supply {
    pub(crate) async fn ask(&self) -> Result<Supplied, SupplyError> {
        self.handle.ensure_access(&Wanted::default()).await
    }

    /// The token's text, when it is alive.
    pub(crate) async fn token(&self, clock: &dyn Clock) -> Result<String, SupplyError> {
        let supplied = self.ask().await?;
        assert!(supplied.authorization(clock).is_some(), "handed out dead");
        Ok(supplied.token().expose().to_owned())
    }
}

async fn yield_to_all() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}
