//! Colours and letters of the picture, on light and on dark paper.

use crate::analyze::step::Step;

/// Letters of everything but names.
pub(super) const SANS: &str = "system-ui, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif";

/// Work has colours that hold on both kinds of paper, with dark letters on them; waits are grey and striped.
pub(super) const STYLE: &str = r##"<style>
.name { font-family: ui-monospace, 'DejaVu Sans Mono', 'Liberation Mono', monospace; }
.paper { fill: #ffffff; }
.stripe { fill: #f5f6f8; }
.ink { fill: #1f2328; }
.soft { fill: #656d76; }
.grid { stroke: #dde1e6; }
.end { stroke: #1f2328; stroke-dasharray: 3 3; }
.path { stroke: #d1242f; stroke-width: 2; stroke-linejoin: round; fill: none; }
.flag { fill: #1f2328; }
.wait { fill: url(#stripes); stroke: #bcc3cb; stroke-width: 0.8; }
.stripes-paper { fill: #eceff2; }
.stripes-line { stroke: #d3d8de; stroke-width: 3; }
.spawn { fill: #8fa0b5; } .exec { fill: #b9c4d2; } .prepare { fill: #c7a98b; } .namespaces { fill: #f28e8b; } .network { fill: #7db3e8; }
.fetch { fill: #5fb4c6; } .image { fill: #8ad1c8; } .overlay { fill: #8fce7e; } .config { fill: #f2d35e; } .create { fill: #f7a14a; }
.handover { fill: #c79be0; } .start { fill: #e8823a; } .bus { fill: #b3b0e8; } .settle { fill: #e3b7cf; }
.unrecorded { fill: #cfd4da; }
.caption { fill: #16191d; font-size: 10.5px; text-anchor: middle; }
.caption.soft { fill: #4b535c; }
@media (prefers-color-scheme: dark) {
.paper { fill: #0f1318; }
.stripe { fill: #171c22; }
.ink { fill: #e6edf3; }
.soft { fill: #97a1ac; }
.grid { stroke: #2b323b; }
.end { stroke: #e6edf3; }
.path { stroke: #ff6b6b; }
.flag { fill: #e6edf3; }
.wait { stroke: #55606c; }
.stripes-paper { fill: #252c34; }
.stripes-line { stroke: #343d47; }
.caption.soft { fill: #b6c0ca; }
}
</style>
<defs><pattern id="stripes" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect class="stripes-paper" width="7" height="7"/><line class="stripes-line" x1="1.5" y1="0" x2="1.5" y2="7"/>
</pattern></defs>
"##;

/// The class of a step.
pub(super) fn fill(step: Step) -> &'static str {
    match step {
        step if step.is_wait() => "wait",
        Step::Spawn => "spawn",
        Step::Exec => "exec",
        Step::Prepare => "prepare",
        Step::Namespaces => "namespaces",
        Step::Network => "network",
        Step::Fetch => "fetch",
        Step::Image => "image",
        Step::Overlay => "overlay",
        Step::Config => "config",
        Step::Create => "create",
        Step::Handover => "handover",
        Step::Start => "start",
        Step::Bus => "bus",
        Step::Settle => "settle",
        _ => "unrecorded",
    }
}
