//! A store that can be broken while it is used.

use std::sync::atomic::{AtomicBool, Ordering};

use bearward_store::{Expected, Listing, Memory, Place, Purpose, Record, SecretBytes, Store, StoreError};

type Storing<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

#[derive(Debug)]
pub(crate) struct Breaking {
    whole: Memory,
    is_broken: AtomicBool,
}

impl Breaking {
    pub(crate) fn new(whole: Memory) -> Self {
        Self { whole, is_broken: AtomicBool::new(false) }
    }

    /// Nothing can be written or removed any more.
    pub(crate) fn break_down(&self) {
        self.is_broken.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.is_broken.store(false, Ordering::SeqCst);
    }

    /// How much stands there.
    pub(crate) async fn count(&self, purpose: Purpose) -> usize {
        self.whole.list(purpose).await.unwrap().places.len()
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.is_broken.load(Ordering::SeqCst) {
            true => Err(StoreError::Full { limit: 0 }),
            false => Ok(()),
        }
    }
}

impl Store for Breaking {
    fn get<'a>(&'a self, place: &'a Place) -> Storing<'a, Option<Record>> {
        self.whole.get(place)
    }

    fn put<'a>(
        &'a self,
        place: &'a Place,
        secret: SecretBytes,
        expires_at: Option<u64>,
        expected: Expected,
    ) -> Storing<'a, u64> {
        Box::pin(async move {
            self.check()?;
            self.whole.put(place, secret, expires_at, expected).await
        })
    }

    fn remove<'a>(&'a self, place: &'a Place) -> Storing<'a, ()> {
        Box::pin(async move {
            self.check()?;
            self.whole.remove(place).await
        })
    }

    fn list(&self, purpose: Purpose) -> Storing<'_, Listing> {
        self.whole.list(purpose)
    }
}
