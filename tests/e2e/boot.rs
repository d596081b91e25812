//! Pods at boot.

use crate::machine::Machine;

#[test]
fn a_wanted_pod_is_up_after_a_reboot() {
    let Some(machine) = Machine::with_images() else {
        return;
    };
    machine.define("my-shared-pod.pod", crate::FOUNDING);
    machine.reboot();
    machine.until("systemctl is-active pod-my-shared-pod", |ran| ran.status == 0);
    machine.ok("curl -sS --max-time 5 localhost:8080");
    // A shutdown stops it in order: nothing had to be killed.
    machine.reboot();
    let journal = machine.ok("journalctl --no-pager -b -1 -u 'pod-my-shared-pod*'");
    assert!(journal.contains("Stopped pod-my-shared-pod.service"), "{journal}");
    assert!(!journal.contains("Failed with result"), "{journal}");
}
