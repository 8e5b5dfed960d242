//! `gpu` and `vpu`.

use crate::dobby::read::node::Node;

/// The graphics memory of a container that says nothing of it, in bytes.
const GPU_MEMORY: u32 = 64 * 1024 * 1024;

/// `gpu`: the limit of its memory in bytes, if the container may use it.
pub(in crate::dobby) fn gpu(spec: &Node<'_>) -> Option<u32> {
    let gpu = spec.given("gpu")?;
    gpu.object()?.0.only(&["enable", "memLimit"]);
    let memory = gpu.given("memLimit").map(|limit| limit.whole(0..=u32::MAX.into()));
    let enabled = enable(&gpu);
    enabled.then(|| memory.flatten().unwrap_or(GPU_MEMORY))
}

/// `vpu`: whether the container may use it.
pub(in crate::dobby) fn vpu(spec: &Node<'_>) -> bool {
    let Some(vpu) = spec.given("vpu") else { return false };
    vpu.object().is_some_and(|(vpu, _)| {
        vpu.only(&["enable"]);
        enable(vpu)
    })
}

fn enable(node: &Node<'_>) -> bool {
    node.given("enable").and_then(|enable| enable.boolean()).unwrap_or(false)
}
