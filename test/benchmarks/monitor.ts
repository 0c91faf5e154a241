/** A stand-in for the engine's resource monitor that notes when the program registers what. */
import { Server, ServerCredentials, type sendUnaryData } from "@grpc/grpc-js";
import resourceGrpc from "@pulumi/pulumi/proto/resource_grpc_pb.js";
import resourcePb from "@pulumi/pulumi/proto/resource_pb.js";
import { emptyPb, engineGrpc, enginePb } from "../../providers/plugin/proto.ts";

export interface Monitor {
  /** For both sides of the engine: monitor and log. */
  readonly address: string;
  /** Ends when the program registers its first resource; the stack itself does not count. */
  readonly firstRegistration: Promise<void>;
  stop(): void;
}

export async function startMonitor(): Promise<Monitor> {
  let registered = () => {};
  const firstRegistration = new Promise<void>((resolve) => {
    registered = resolve;
  });
  const server = new Server();
  let root = "";
  server.addService(engineGrpc.EngineService, {
    log: answer(() => new emptyPb.Empty()),
    getRootResource: answer(() => {
      const response = new enginePb.GetRootResourceResponse();
      response.setUrn(root);
      return response;
    }),
    setRootResource: answer((request: enginePb.SetRootResourceRequest) => {
      root = request.getUrn();
      return new enginePb.SetRootResourceResponse();
    }),
  });
  server.addService(resourceGrpc.ResourceMonitorService, {
    supportsFeature: answer(() => {
      const response = new resourcePb.SupportsFeatureResponse();
      response.setHassupport(true);
      return response;
    }),
    registerResource: answer((request: resourcePb.RegisterResourceRequest) => {
      const type = request.getType();
      if (type !== "pulumi:pulumi:Stack") registered();
      const response = new resourcePb.RegisterResourceResponse();
      response.setUrn(`urn:pulumi:dev::hyperlab::${type}::${request.getName()}`);
      return response;
    }),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: `127.0.0.1:${port}`, firstRegistration, stop: () => server.forceShutdown() };
}

const answer =
  <Request, Response>(respond: (request: Request) => Response) =>
  (call: { request: Request }, callback: sendUnaryData<Response>) =>
    callback(null, respond(call.request));
