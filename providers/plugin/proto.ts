/**
 * The only place that imports the generated protocol modules. They are CommonJS: the default import is the module.
 */

export { default as engineGrpc } from "@pulumi/pulumi/proto/engine_grpc_pb.js";
export { default as enginePb } from "@pulumi/pulumi/proto/engine_pb.js";
export { default as pluginPb } from "@pulumi/pulumi/proto/plugin_pb.js";
export { default as providerGrpc } from "@pulumi/pulumi/proto/provider_grpc_pb.js";
export { default as providerPb } from "@pulumi/pulumi/proto/provider_pb.js";
export { default as statusPb } from "@pulumi/pulumi/proto/status_pb.js";
export { default as anyPb } from "google-protobuf/google/protobuf/any_pb.js";
export { default as emptyPb } from "google-protobuf/google/protobuf/empty_pb.js";
export { default as structPb } from "google-protobuf/google/protobuf/struct_pb.js";
