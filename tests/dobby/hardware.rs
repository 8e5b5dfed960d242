//! The GPU, the video decoder, and what else the settings of the host give to containers.

use std::fs;

use oci_minidump::dobby::{DobbySettings, Host, convert};
use serde_json::{Value, json};

use crate::examples::tempdir;
use crate::specs::{host, with};

/// DobbySettings as Dobby has them, comments included. `/dev/null` and `/dev/zero` stand in for hardware.
const SETTINGS: &str = r#"{
    // a comment
    "gpu": {
        "groupIds": [44, "root"],
        "devNodes": ["/dev/nul?"],
        "extraMounts": [{"source": "/run/gpu", "destination": "/run/gpu", "type": "bind", "options": ["bind", "ro"]}],
        "extraEnvVariables": ["GPU=1"]
    },
    "vpu": {
        "groupId": 45,
        "devNodes": ["/dev/zero"],
        "extraMounts": [{"source": "/run/vpu", "destination": "/run/vpu", "type": "bind"}],
        "extraEnvVariables": ["VPU=1"]
    },
    "extraEnvVariables": ["ETHAN_STB_TYPE=IP", "ETHAN_STB_MODEL=VM"],
    "defaultPlugins": ["localtime", {"oomcrash": {"path": "/opt/oom"}}],
    "pids": {"limit": 77}
}"#;

fn with_settings() -> Host {
    let dir = tempdir(&format!("settings-{:?}", std::thread::current().id()));
    let file = dir.join("dobby.json");
    fs::write(&file, SETTINGS).unwrap();
    let mut host = host();
    (host.settings, _) = DobbySettings::load(&file).unwrap_or_else(|error| panic!("{}", error.report()));
    fs::remove_dir_all(dir).unwrap();
    host
}

#[test]
fn enabled_hardware_comes_with_nodes_groups_mounts_and_environment() {
    let spec = with(&json!({
        "gpu": {"enable": true}, "vpu": {"enable": true}, "env": ["A=1"],
        "mounts": [{"source": "tmpfs", "destination": "/m", "type": "tmpfs"}]
    }));
    let conversion = convert(&spec, &with_settings()).unwrap();
    let config = &conversion.config;
    let node = |path: &str, minor: u32| json!({"path": path, "type": "c", "major": 1, "minor": minor, "fileMode": 0o666, "uid": 0, "gid": 0});
    assert_eq!(config["linux"]["devices"], json!([node("/dev/null", 3), node("/dev/zero", 5)]));
    let rule = |minor: u32| json!({"allow": true, "type": "c", "major": 1, "minor": minor, "access": "rw"});
    let nobody = json!({"allow": false, "access": "rwm"});
    assert_eq!(config["linux"]["resources"]["devices"], json!([nobody, rule(3), rule(5)]));
    assert_eq!(config["process"]["user"]["additionalGids"], json!([44, 45]));
    let mapping = |inside: u32, outside: u32, size: u32| json!({"hostID": outside, "containerID": inside, "size": size});
    let mappings = json!([mapping(0, 1000, 10), mapping(44, 44, 1), mapping(45, 45, 1)]);
    assert_eq!(config["linux"]["gidMappings"], mappings);
    let mounts = config["mounts"].as_array().unwrap().iter().skip(11);
    let places: Vec<_> = mounts.map(|mount| mount["destination"].as_str().unwrap()).collect();
    assert_eq!(places, ["/run/gpu", "/m", "/run/vpu", "/proc"]);
    let env = ["A=1", "GPU=1", "VPU=1", "ETHAN_STB_MODEL=VM", "ETHAN_STB_TYPE=IP"];
    assert_eq!(config["process"]["env"].as_array().unwrap()[..5], env.map(Value::from));
    let paths: Vec<_> = conversion.rootfs.entries().map(|(path, _)| path.to_str().unwrap()).collect();
    assert!(["run/gpu", "m", "run/vpu"].iter().all(|path| paths.contains(path)), "{paths:?}");
    assert_eq!(conversion.warnings, [""; 0]);
}

#[test]
fn disabled_hardware_leaves_nothing() {
    for enable in [json!(false), json!(null)] {
        let spec = with(&json!({"gpu": {"enable": enable}, "vpu": {"enable": enable}}));
        let config = convert(&spec, &with_settings()).unwrap().config;
        assert_eq!(config["linux"]["devices"], json!([]));
        assert_eq!(config["process"]["user"]["additionalGids"], json!([]));
        assert!(!config.to_string().contains("PU=1"), "{config}");
        assert!(config["rdkPlugins"].get("gpu").is_none());
    }
}

#[test]
fn default_plugins_give_way_to_the_spec() {
    let plugins = |spec: &Value| convert(spec, &with_settings()).unwrap().config["rdkPlugins"].clone();
    let entry = |required: bool, data: Value| json!({"required": required, "dependsOn": [], "data": data});
    let expected = json!({"localtime": entry(false, json!(null)), "oomcrash": entry(false, json!({"path": "/opt/oom"}))});
    assert_eq!(plugins(&with(&json!({}))), expected);
    let spec = with(&json!({"rdkPlugins": {"oomcrash": {"required": true, "data": {"path": "/mine"}}}}));
    assert_eq!(plugins(&spec)["oomcrash"], entry(true, json!({"path": "/mine"})));
}

#[test]
fn a_container_gets_its_name_and_the_limit_of_processes() {
    let host = with_settings();
    let mut conversion = convert(&with(&json!({})), &host).unwrap();
    assert_eq!(conversion.config["hostname"], "dobby");
    conversion.for_container("SleepTest", &host);
    assert_eq!(conversion.config["hostname"], "SleepTest");
    conversion.for_container(&"x".repeat(128), &host);
    assert_eq!(conversion.config["hostname"], "x".repeat(64));
    assert_eq!(conversion.config["linux"]["resources"]["pids"], json!({"limit": 77}));
}

#[test]
fn a_host_with_dobbys_init_uses_it() {
    let mut host = host();
    host.init = Some("/usr/libexec/DobbyInit".into());
    let config = convert(&with(&json!({})), &host).unwrap().config;
    assert_eq!(config["process"]["args"], json!(["/usr/libexec/DobbyInit", "sleep", "60"]));
}
