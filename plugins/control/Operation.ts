/** What a control-plane operation is to this plugin: a typed input, one call of a service, the object it answers with. */
import type {
  AddLayerVersionPermissionRequest,
  AddPermissionRequest,
  CreateAliasRequest,
  CreateEventSourceMappingRequest,
  CreateFunctionRequest,
  CreateFunctionUrlConfigRequest,
  DeleteAliasRequest,
  DeleteEventSourceMappingRequest,
  DeleteFunctionCodeSigningConfigRequest,
  DeleteFunctionConcurrencyRequest,
  DeleteFunctionEventInvokeConfigRequest,
  DeleteFunctionRequest,
  DeleteFunctionUrlConfigRequest,
  DeleteLayerVersionRequest,
  DeleteProvisionedConcurrencyConfigRequest,
  GetAccountSettingsRequest,
  GetAliasRequest,
  GetEventSourceMappingRequest,
  GetFunctionCodeSigningConfigRequest,
  GetFunctionConcurrencyRequest,
  GetFunctionConfigurationRequest,
  GetFunctionEventInvokeConfigRequest,
  GetFunctionRecursionConfigRequest,
  GetFunctionRequest,
  GetFunctionUrlConfigRequest,
  GetLayerVersionByArnRequest,
  GetLayerVersionPolicyRequest,
  GetLayerVersionRequest,
  GetPolicyRequest,
  GetProvisionedConcurrencyConfigRequest,
  GetRuntimeManagementConfigRequest,
  ListAliasesRequest,
  ListEventSourceMappingsRequest,
  ListFunctionEventInvokeConfigsRequest,
  ListFunctionsRequest,
  ListFunctionUrlConfigsRequest,
  ListLayersRequest,
  ListLayerVersionsRequest,
  ListProvisionedConcurrencyConfigsRequest,
  ListTagsRequest,
  ListVersionsByFunctionRequest,
  PublishLayerVersionRequest,
  PublishVersionRequest,
  PutFunctionCodeSigningConfigRequest,
  PutFunctionConcurrencyRequest,
  PutFunctionEventInvokeConfigRequest,
  PutFunctionRecursionConfigRequest,
  PutProvisionedConcurrencyConfigRequest,
  PutRuntimeManagementConfigRequest,
  RemoveLayerVersionPermissionRequest,
  RemovePermissionRequest,
  TagResourceRequest,
  UntagResourceRequest,
  UpdateAliasRequest,
  UpdateEventSourceMappingRequest,
  UpdateFunctionCodeRequest,
  UpdateFunctionConfigurationRequest,
  UpdateFunctionEventInvokeConfigRequest,
  UpdateFunctionUrlConfigRequest
} from "@aws-sdk/client-lambda"
import type { Effect } from "effect"
import type { FunctionReference } from "../../src/domain/FunctionReference.ts"
import type { GatewayFailure } from "../gateway/errors.ts"

/** The inputs of the operations there are, as AWS's own client has them. */
export interface OperationInputs {
  AddLayerVersionPermission: AddLayerVersionPermissionRequest
  AddPermission: AddPermissionRequest
  CreateAlias: CreateAliasRequest
  CreateEventSourceMapping: CreateEventSourceMappingRequest
  CreateFunction: CreateFunctionRequest
  CreateFunctionUrlConfig: CreateFunctionUrlConfigRequest
  DeleteAlias: DeleteAliasRequest
  DeleteFunctionCodeSigningConfig: DeleteFunctionCodeSigningConfigRequest
  DeleteEventSourceMapping: DeleteEventSourceMappingRequest
  DeleteFunction: DeleteFunctionRequest
  DeleteFunctionConcurrency: DeleteFunctionConcurrencyRequest
  DeleteFunctionEventInvokeConfig: DeleteFunctionEventInvokeConfigRequest
  DeleteFunctionUrlConfig: DeleteFunctionUrlConfigRequest
  DeleteLayerVersion: DeleteLayerVersionRequest
  DeleteProvisionedConcurrencyConfig: DeleteProvisionedConcurrencyConfigRequest
  GetAccountSettings: GetAccountSettingsRequest
  GetAlias: GetAliasRequest
  GetEventSourceMapping: GetEventSourceMappingRequest
  GetFunction: GetFunctionRequest
  GetFunctionCodeSigningConfig: GetFunctionCodeSigningConfigRequest
  GetFunctionConcurrency: GetFunctionConcurrencyRequest
  GetFunctionConfiguration: GetFunctionConfigurationRequest
  GetFunctionEventInvokeConfig: GetFunctionEventInvokeConfigRequest
  GetFunctionRecursionConfig: GetFunctionRecursionConfigRequest
  GetFunctionUrlConfig: GetFunctionUrlConfigRequest
  GetLayerVersion: GetLayerVersionRequest
  GetLayerVersionByArn: GetLayerVersionByArnRequest
  GetLayerVersionPolicy: GetLayerVersionPolicyRequest
  GetPolicy: GetPolicyRequest
  GetProvisionedConcurrencyConfig: GetProvisionedConcurrencyConfigRequest
  GetRuntimeManagementConfig: GetRuntimeManagementConfigRequest
  ListAliases: ListAliasesRequest
  ListEventSourceMappings: ListEventSourceMappingsRequest
  ListFunctionEventInvokeConfigs: ListFunctionEventInvokeConfigsRequest
  ListFunctionUrlConfigs: ListFunctionUrlConfigsRequest
  ListFunctions: ListFunctionsRequest
  ListLayerVersions: ListLayerVersionsRequest
  ListLayers: ListLayersRequest
  ListProvisionedConcurrencyConfigs: ListProvisionedConcurrencyConfigsRequest
  ListTags: ListTagsRequest
  ListVersionsByFunction: ListVersionsByFunctionRequest
  PublishLayerVersion: PublishLayerVersionRequest
  PublishVersion: PublishVersionRequest
  PutFunctionCodeSigningConfig: PutFunctionCodeSigningConfigRequest
  PutFunctionConcurrency: PutFunctionConcurrencyRequest
  PutFunctionEventInvokeConfig: PutFunctionEventInvokeConfigRequest
  PutFunctionRecursionConfig: PutFunctionRecursionConfigRequest
  PutProvisionedConcurrencyConfig: PutProvisionedConcurrencyConfigRequest
  PutRuntimeManagementConfig: PutRuntimeManagementConfigRequest
  RemoveLayerVersionPermission: RemoveLayerVersionPermissionRequest
  RemovePermission: RemovePermissionRequest
  TagResource: TagResourceRequest
  UntagResource: UntagResourceRequest
  UpdateAlias: UpdateAliasRequest
  UpdateEventSourceMapping: UpdateEventSourceMappingRequest
  UpdateFunctionCode: UpdateFunctionCodeRequest
  UpdateFunctionConfiguration: UpdateFunctionConfigurationRequest
  UpdateFunctionEventInvokeConfig: UpdateFunctionEventInvokeConfigRequest
  UpdateFunctionUrlConfig: UpdateFunctionUrlConfigRequest
}

export interface Call {
  /** Scheme, host and port under which the caller reached this: for links in answers. */
  readonly origin: string
}

/** Of operations whose input names a function: whom the name and the qualifier mean. */
export interface FunctionCall extends Call {
  readonly reference: FunctionReference
}

type CallOf<Input> = Input extends { FunctionName: string | undefined } ? FunctionCall : Call

export type Handler<Name extends keyof OperationInputs, R> = (
  input: OperationInputs[Name],
  call: CallOf<OperationInputs[Name]>
) => Effect.Effect<object | undefined, GatewayFailure, R>

/** Operations of one noun. An answer without a body is undefined. */
export type Handlers<R> = { readonly [Name in keyof OperationInputs]?: Handler<Name, R> }
