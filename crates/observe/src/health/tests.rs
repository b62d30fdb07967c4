use super::*;

struct Fixed(&'static str, Condition);

impl Probe for Fixed {
    fn name(&self) -> String {
        self.0.into()
    }

    fn condition(&self) -> Condition {
        self.1.clone()
    }
}

#[test]
fn one_part_down_makes_the_whole_not_ready_and_is_named() {
    let health = Health::default();
    health.register(Arc::new(Fixed("a", Condition::Ready)));
    health.register(Arc::new(Fixed("b", Condition::Degraded { reason: "old token until 12:00".into() })));
    assert!(health.report().ready, "degraded still does its work");

    health.register(Arc::new(Fixed("c", Condition::Down { reason: "no answer".into() })));
    let report = health.report();
    assert!(!report.ready);
    assert_eq!(report.parts.last().unwrap().name, "c");
}
