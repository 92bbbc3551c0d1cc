// The plan and the app: Flex Consumption, Python 3.13. Only properties and settings that Flex takes; some regions refuse
// the others (linuxFxVersion, ftpsState, alwaysOn, FUNCTIONS_WORKER_RUNTIME, ...), some ignore them.
param name string
param planName string
param location string
param tags object
param identityName string
param hostStorageName string
param insightsStorageName string
param deploymentContainer string
param appInsightsName string
param keyVaultName string

@description('Empty: there is no topic.')
param topicName string

@description('Empty: the account\'s log is not read.')
param eventHubNamespaceName string
param eventHubName string

@description('Empty: no virtual network.')
param subnetId string
param zoneRedundant bool
param alwaysReadyHttp int
param restrictCallers bool
param allowedIps array
param videoIndexerId string
param videoIndexerAccountId string
param videoIndexerLocation string
param signCallbacks bool

@description('Settings that are left out where they are empty, by name.')
param optionalSettings object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName
}

resource hostStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostStorageName
}

resource insightsStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: insightsStorageName
}

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: appInsightsName
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: keyVaultName
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: empty(topicName) ? 'none' : topicName
}

var alwaysThere = {
  // The host's own storage, by its three addresses: so it works with private DNS and in every cloud.
  AzureWebJobsStorage__blobServiceUri: hostStorage.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: hostStorage.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: hostStorage.properties.primaryEndpoints.table
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  // Documents and queues: the same names serve the queue triggers and Keywire's own clients.
  InsightsStorage__blobServiceUri: insightsStorage.properties.primaryEndpoints.blob
  InsightsStorage__queueServiceUri: insightsStorage.properties.primaryEndpoints.queue
  InsightsStorage__credential: 'managedidentity'
  InsightsStorage__clientId: identity.properties.clientId
  VIDEO_INDEXER_RESOURCE_ID: videoIndexerId
  VIDEO_INDEXER_ACCOUNT_ID: videoIndexerAccountId
  VIDEO_INDEXER_LOCATION: videoIndexerLocation
  // Of the cloud that this is deployed to; AZURE_RESOURCE_MANAGER_AUDIENCE, for another audience behind a private link,
  // and VIDEO_INDEXER_ENDPOINT, for another cloud's Video Indexer, are left to their defaults.
  AZURE_RESOURCE_MANAGER_ENDPOINT: environment().resourceManager
  // With local auth off this connection string holds no key that opens anything: an address, and the component's id.
  APPLICATIONINSIGHTS_CONNECTION_STRING: appInsights.properties.ConnectionString
  // Read by the host and by the Python worker's exporter alike.
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  // The worker sets OpenTelemetry up. Not PYTHON_ENABLE_OPENTELEMETRY: older workers fail every invocation with it.
  PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
  // Keywire's loggers, and not those of every library.
  PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME: 'keywire'
  // Every trace, or such a share of them: without these the exporter keeps five a second. Figures and log lines are never sampled.
  OTEL_TRACES_SAMPLER: 'microsoft.fixed_percentage'
  OTEL_TRACES_SAMPLER_ARG: '1.0'
  // Keywire's own spans are enough: with these libraries' a video has five times as many (`dev.py bench telemetry`).
  OTEL_PYTHON_DISABLED_INSTRUMENTATIONS: 'azure_sdk,django,fastapi,flask,httpx,httpx2,psycopg2,requests,urllib,urllib3'
  // No item with every batch of spans that only says who sent it.
  APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED: 'true'
  // What the exporter tells and asks Microsoft about itself, at addresses outside a private network.
  APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL: 'true'
  APPLICATIONINSIGHTS_SDKSTATS_DISABLED: 'true'
  APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED: 'true'
}

var topicSettings = empty(topicName) ? {} : { EVENT_GRID_TOPIC_ENDPOINT: topic.properties.endpoint }

// A reference: the platform reads the secret as the identity, and keeps it out of the template and of its history.
var signingSettings = signCallbacks ? { CALLBACK_SIGNING_KEYS: '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/callback-signing-keys/)' } : {}

var logSettings = empty(eventHubName) ? {} : {
  VIDEO_INDEXER_LOG_EVENT_HUB: eventHubName
  VideoIndexerLog__fullyQualifiedNamespace: '${eventHubNamespaceName}.servicebus.windows.net'
  VideoIndexerLog__credential: 'managedidentity'
  VideoIndexerLog__clientId: identity.properties.clientId
}

// Keywire reads an empty setting as one that is not there.
var settings = union(alwaysThere, optionalSettings, topicSettings, signingSettings, logSettings)

// The service tag covers every customer of Video Indexer (and not Switzerland North), so it is no proof of who calls:
// the function key or the signature is. Unverified: that App Service takes this tag's name.
var callerRule = {
  name: 'video-indexer'
  priority: 100
  action: 'Allow'
  tag: 'ServiceTag'
  ipAddress: 'VideoIndexer'
}
var ipRules = [for (ip, i) in allowedIps: {
  name: 'operator-${i}'
  priority: 200 + i
  action: 'Allow'
  ipAddress: contains(ip, '/') ? trim(ip) : '${trim(ip)}/32'
}]

// One site per plan: Flex allows no more.
resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  // checkov:skip=CKV_AZURE_225: a parameter, because not every region has zones; an outage delays jobs and loses none
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  // checkov:skip=CKV_AZURE_222: Video Indexer calls from the internet
  // checkov:skip=CKV_AZURE_17: Video Indexer has no client certificate; a function key or a signature says who gave the address
  // checkov:skip=CKV_AZURE_78: Flex has no FTP, and refuses ftpsState
  // checkov:skip=CKV_AZURE_18: not verified that Flex takes http20Enabled; callbacks gain nothing by it
  // checkov:skip=CKV_AZURE_67: as CKV_AZURE_18
  // checkov:skip=CKV_AZURE_212: Flex scales from zero to many; alwaysReadyHttp keeps some
  // checkov:skip=CKV_AZURE_213: not verified that Flex takes healthCheckPath; the timer `measure` and the alert `unhealthy` watch
  name: name
  location: location
  // azd finds the app by this tag; it is the service's name in azure.yaml.
  tags: union(tags, { 'azd-service-name': 'keywire' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // Video Indexer calls from the internet, so the app is there, also with networkIsolation.
    publicNetworkAccess: 'Enabled'
    // Without it, references to the key vault are read as the system-assigned identity, which there is none of.
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      // Unverified on Flex, where 1.2 is the least anyway.
      minTlsVersion: '1.2'
      ipSecurityRestrictions: restrictCallers ? concat([callerRule], ipRules) : []
      ipSecurityRestrictionsDefaultAction: restrictCallers ? 'Deny' : 'Allow'
      // `azd deploy` posts to the scm site: a rule there would end deployments from a pipeline.
      scmIpSecurityRestrictionsUseMain: false
      scmIpSecurityRestrictionsDefaultAction: 'Allow'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          // The endpoint ends with a slash. A container of this app alone: two apps on one run each other's code.
          value: '${hostStorage.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        // The documented least. Video Indexer's 120 requests a minute end long before it does.
        maximumInstanceCount: 40
        alwaysReady: alwaysReadyHttp > 0 ? [
          {
            name: 'http'
            instanceCount: alwaysReadyHttp
          }
        ] : []
        triggers: {
          http: {
            // The handlers wait for storage most of the time. The default depends on memory, and is said to be 1 for Python.
            perInstanceConcurrency: 16
          }
        }
      }
    }
    // No siteUpdateStrategy: RollingUpdate is a preview. The default ends what is running, and a job that was
    // interrupted is done again.
  }
}

// An object and not siteConfig.appSettings: a loop over values that only Azure knows does not compile. A deployment
// replaces the whole set, so nothing is set by hand.
resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  // Rules for other kinds of config, which look at every resource of this type:
  // checkov:skip=CKV_AZURE_13: these are names and values; who may call is said by function keys and signatures
  // checkov:skip=CKV_AZURE_63: these are names and values; requests are in Application Insights
  // checkov:skip=CKV_AZURE_65: these are names and values; errors are in Application Insights
  // checkov:skip=CKV_AZURE_66: these are names and values; failed requests are in Application Insights
  // checkov:skip=CKV_AZURE_80: these are names and values; the app is Python
  // checkov:skip=CKV_AZURE_88: these are names and values; Flex has no Azure Files, and nothing is kept on disk
  // checkov:skip=CKV_AZURE_222: these are names and values; see the app
  parent: app
  name: 'appsettings'
  properties: settings
}

output endpoint string = 'https://${app.properties.defaultHostName}'
