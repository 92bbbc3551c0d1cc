// Keywire in a subscription: `azd up` deploys this, then the app.
//
// The scope is the subscription because azd then makes the resource group as well, and because an existing
// Video Indexer account may be in another group. What is deployed is in modules/, a file per concern; who may
// do what is in modules/roles.bicep and nowhere else. Each parameter is set by `azd env set NAME value`
// (main.parameters.json has the names).
targetScope = 'subscription'

@description('Name of the azd environment: the resource group is named after it, and all other names are derived from it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of everything but an existing Video Indexer account.')
@minLength(1)
param location string

@description('Object id of whoever deploys; azd sets it.')
param principalId string = ''

@description('What principalId is. A person gets the roles of modules/roles.bicep that an operator needs; a pipeline gets none.')
@allowed([
  'User'
  'ServicePrincipal'
])
param principalType string = 'User'

@description('Resource id of the Video Indexer account to listen to. Empty: a new one is made.')
param videoIndexerResourceId string = ''

@description('How Keywire may ask for tokens of the account: the documented role Contributor, a custom role with the single action (see docs/security.md), or none, where somebody else grants it.')
@allowed([
  'contributor'
  'custom'
  'none'
])
param videoIndexerRole string = 'contributor'

@description('Which tokens Keywire asks for.')
@allowed([
  'reader'
  'restricted-viewer'
])
param videoIndexerToken string = 'reader'

@description('Translate keywords to this language. Empty: as they were spoken.')
param videoIndexerLanguage string = ''

@description('Share of the account\'s request quota that is Keywire\'s (0.5 for instance), or off. Empty: all of it.')
param videoIndexerQuotaShare string = ''

@description('Share of Keywire\'s quota that backfills may use, 0 to 1. Empty: half of it.')
param videoIndexerBackfillShare string = ''

@description('Also erase the history of videos that were removed from Video Indexer.')
param eraseRemoved bool = false

@description('NCRONTAB, UTC: when Video Indexer\'s list is compared with the documents. Empty: every 15 minutes.')
param reconciliationSchedule string = ''

@description('NCRONTAB, UTC: when queues and health are measured. Empty: every 5 minutes, as the alerts expect.')
param healthSchedule string = ''

@description('Sign callback addresses. The secret callback-signing-keys has to be in the key vault before (docs/security.md).')
param signCallbacks bool = false

@description('How Video Indexer reaches the app, where that is not the app\'s own host name: a custom domain, a front door.')
param callbackBaseUrl string = ''

@description('Let only Video Indexer\'s service tag and allowedIpAddresses call the app.')
param restrictCallers bool = false

@description('Make an Event Grid topic, which gets every event besides the queue.')
param eventGrid bool = true

@description('Make an example of a subscription to the topic: interest events to a queue, undeliverable ones to a container.')
param eventGridExample bool = false

@description('Send the Video Indexer account\'s log to an Event Hub as a further signal. The one place with a shared access rule.')
param indexingLog bool = false

@description('Delete versions in keywords-history this many days after they were written. 0: never.')
@minValue(0)
param historyRetentionDays int = 0

@description('Reach storage, the topic and the key vault over private endpoints only.')
param networkIsolation bool = false

@description('Range of the app\'s subnet, /27 or larger.')
param appSubnetPrefix string = '10.0.0.0/24'

@description('Range of the subnet of the private endpoints.')
param endpointsSubnetPrefix string = '10.0.1.0/24'

@description('Addresses or CIDR ranges of operators, separated by commas, that storage and the key vault let in when isolated.')
param allowedIpAddresses string = ''

@description('Replication of the insights storage. Standard_LRS in regions without zones.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param insightsStorageSku string = 'Standard_ZRS'

@description('Keep the key vault\'s name and secrets for its retention even after `azd down --purge`.')
param keyVaultPurgeProtection bool = false

@description('Spread the app over availability zones, where the region has them.')
param zoneRedundant bool = false

@description('Instances of the HTTP functions that are always running: no cold start for callbacks, at a price. With zoneRedundant 0, or 2 and more.')
@minValue(0)
param alwaysReadyHttp int = 0

@description('Who is told of alerts. Empty: nobody, they show in the portal only.')
param alertEmail string = ''

@description('Where the runbook is; alerts link to its sections.')
param runbookUrl string = 'docs/operations.md'

@description('How long logs and metrics are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Most that is taken in a day, in gigabytes; -1 for no limit. Alerts are blind once it is reached.')
param logDailyQuotaGb int = -1

// 13 characters, the same for the same subscription, environment and region.
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var resourceGroupName = 'rg-keywire-${environmentName}'

// All names in one place: the tests compute them for the longest environment name and compare with Azure's limits.
var names = {
  identity: 'id-keywire-${token}'
  hostStorage: 'sthost${token}'
  insightsStorage: 'stinsights${token}'
  mediaStorage: 'stmedia${token}'
  plan: 'plan-keywire-${token}'
  functionApp: 'func-keywire-${token}'
  keyVault: 'kv-keywire-${token}'
  logAnalytics: 'log-keywire-${token}'
  appInsights: 'appi-keywire-${token}'
  actionGroup: 'ag-keywire-${token}'
  eventGridTopic: 'evgt-keywire-${token}'
  videoIndexer: 'vi-keywire-${token}'
  virtualNetwork: 'vnet-keywire-${token}'
  eventHubNamespace: 'evhns-keywire-${token}'
}

// As keywire/settings.py and its neighbours name them; the tests compare.
var containers = [
  'keywords'
  'keywords-history'
  'config'
  'control'
]
var workQueues = [
  'extraction'
  'backfill'
  'backfill-pages'
  'rematch'
  'deliver-event-grid'
]
var poisonQueues = [
  'extraction-poison'
  'backfill-poison'
  'backfill-pages-poison'
  'rematch-poison'
  'deliver-event-grid-poison'
  'diagnostics-poison'
]
var eventsQueue = 'personalization-events'
var deploymentContainer = 'deployment'
var logEventHub = 'video-indexer-log'
// Of the example: none of Keywire's.
var exampleQueue = 'interest-events'
var deadLetterContainer = 'event-grid-dead-letters'

var createVideoIndexer = empty(videoIndexerResourceId)
var videoIndexerSubscription = createVideoIndexer ? subscription().subscriptionId : split(videoIndexerResourceId, '/')[2]
var videoIndexerResourceGroup = createVideoIndexer ? resourceGroupName : split(videoIndexerResourceId, '/')[4]
var videoIndexerName = createVideoIndexer ? names.videoIndexer : split(videoIndexerResourceId, '/')[8]

var withEventGridExample = eventGrid && eventGridExample
var allowedIps = empty(allowedIpAddresses) ? [] : split(allowedIpAddresses, ',')

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: resourceGroupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: names.identity
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    logAnalyticsName: names.logAnalytics
    appInsightsName: names.appInsights
    actionGroupName: names.actionGroup
    location: location
    tags: tags
    retentionDays: logRetentionDays
    dailyQuotaGb: logDailyQuotaGb
    alertEmail: alertEmail
  }
}

// The app's own: its code, its locks and its function keys. Nothing that matters to anybody else.
module hostStorage 'modules/storage-account.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    name: names.hostStorage
    location: location
    tags: tags
    skuName: 'Standard_LRS'
    containers: [
      deploymentContainer
    ]
    queues: []
    network: networkIsolation ? 'private' : 'public'
    allowedIps: []
  }
}

// Documents, history and queues. Apart from the host's account, because others read it and the host must not share their limits.
module insightsStorage 'modules/storage-account.bicep' = {
  name: 'insights-storage'
  scope: group
  params: {
    name: names.insightsStorage
    location: location
    tags: tags
    skuName: insightsStorageSku
    containers: withEventGridExample ? concat(containers, [deadLetterContainer]) : containers
    queues: concat(workQueues, poisonQueues, [eventsQueue], withEventGridExample ? [exampleQueue] : [])
    // Event Grid delivers as a trusted service and can't use a private endpoint: closed, but not disabled.
    network: networkIsolation ? 'trusted' : 'public'
    allowedIps: allowedIps
  }
}

module historyRetention 'modules/history-retention.bicep' = if (historyRetentionDays > 0) {
  name: 'history-retention'
  scope: group
  params: {
    storageAccountName: names.insightsStorage
    containerName: 'keywords-history'
    days: historyRetentionDays
  }
  dependsOn: [
    insightsStorage
  ]
}

module keyVault 'modules/key-vault.bicep' = {
  name: 'key-vault'
  scope: group
  params: {
    name: names.keyVault
    location: location
    tags: tags
    isolated: networkIsolation
    allowedIps: allowedIps
    purgeProtection: keyVaultPurgeProtection
  }
}

module topic 'modules/event-grid-topic.bicep' = if (eventGrid) {
  name: 'event-grid-topic'
  scope: group
  params: {
    name: names.eventGridTopic
    location: location
    tags: tags
    isolated: networkIsolation
  }
}

module mediaStorage 'modules/storage-account.bicep' = if (createVideoIndexer) {
  name: 'media-storage'
  scope: group
  params: {
    name: names.mediaStorage
    location: location
    tags: tags
    skuName: 'Standard_LRS'
    containers: []
    queues: []
    // Video Indexer's portal plays videos from here to wherever its user sits: not part of networkIsolation.
    network: 'public'
    allowedIps: []
  }
}

module videoIndexer 'modules/video-indexer.bicep' = if (createVideoIndexer) {
  name: 'video-indexer'
  scope: group
  params: {
    name: names.videoIndexer
    location: location
    tags: tags
    storageAccountName: names.mediaStorage
  }
  dependsOn: [
    mediaStorage
  ]
}

// New or existing, from here on it is one account, in its own group and perhaps another subscription.
module account 'modules/video-indexer-account.bicep' = {
  name: 'keywire-account-${token}'
  scope: resourceGroup(videoIndexerSubscription, videoIndexerResourceGroup)
  params: {
    name: videoIndexerName
  }
  dependsOn: [
    videoIndexer
  ]
}

module eventHub 'modules/indexing-log.bicep' = if (indexingLog) {
  name: 'indexing-log'
  scope: group
  params: {
    namespaceName: names.eventHubNamespace
    eventHubName: logEventHub
    // A diagnostic setting and its hub have to be in the same region.
    location: account.outputs.location
    tags: tags
    isolated: networkIsolation
  }
}

module accountLog 'modules/indexing-log-setting.bicep' = if (indexingLog) {
  name: 'keywire-indexing-log-${token}'
  scope: resourceGroup(videoIndexerSubscription, videoIndexerResourceGroup)
  params: {
    accountName: videoIndexerName
    namespaceId: '${group.id}/providers/Microsoft.EventHub/namespaces/${names.eventHubNamespace}'
    eventHubName: logEventHub
  }
  dependsOn: [
    account
    eventHub
  ]
}

module network 'modules/network.bicep' = if (networkIsolation) {
  name: 'network'
  scope: group
  params: {
    name: names.virtualNetwork
    location: location
    tags: tags
    appSubnetPrefix: appSubnetPrefix
    endpointsSubnetPrefix: endpointsSubnetPrefix
    hostStorageName: names.hostStorage
    insightsStorageName: names.insightsStorage
    keyVaultName: names.keyVault
    topicName: eventGrid ? names.eventGridTopic : ''
    eventHubNamespaceName: indexingLog ? names.eventHubNamespace : ''
  }
  dependsOn: [
    hostStorage
    insightsStorage
    keyVault
    topic
    eventHub
  ]
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    identityName: names.identity
    identityPrincipalId: identity.outputs.principalId
    operatorPrincipalId: principalType == 'User' ? principalId : ''
    hostStorageName: names.hostStorage
    insightsStorageName: names.insightsStorage
    readWriteContainers: [
      'keywords'
      'keywords-history'
      'control'
    ]
    readContainers: [
      'config'
    ]
    workQueues: workQueues
    poisonQueues: poisonQueues
    eventsQueue: eventsQueue
    appInsightsName: names.appInsights
    keyVaultName: names.keyVault
    topicName: eventGrid ? names.eventGridTopic : ''
    exampleQueue: withEventGridExample ? exampleQueue : ''
    deadLetterContainer: withEventGridExample ? deadLetterContainer : ''
    eventHubNamespaceName: indexingLog ? names.eventHubNamespace : ''
    eventHubName: logEventHub
    mediaStorageName: createVideoIndexer ? names.mediaStorage : ''
    videoIndexerSubscription: videoIndexerSubscription
    videoIndexerResourceGroup: videoIndexerResourceGroup
    videoIndexerName: videoIndexerName
    videoIndexerRole: videoIndexerRole
    videoIndexerToken: videoIndexerToken
  }
  dependsOn: [
    hostStorage
    insightsStorage
    monitoring
    keyVault
    topic
    eventHub
    account
  ]
}

// The roles first: an app that starts without them fails for as long as they take to spread.
module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  params: {
    name: names.functionApp
    planName: names.plan
    location: location
    tags: tags
    identityName: names.identity
    hostStorageName: names.hostStorage
    insightsStorageName: names.insightsStorage
    deploymentContainer: deploymentContainer
    appInsightsName: names.appInsights
    keyVaultName: names.keyVault
    topicName: eventGrid ? names.eventGridTopic : ''
    eventHubNamespaceName: indexingLog ? names.eventHubNamespace : ''
    eventHubName: indexingLog ? logEventHub : ''
    subnetId: networkIsolation ? '${group.id}/providers/Microsoft.Network/virtualNetworks/${names.virtualNetwork}/subnets/app' : ''
    zoneRedundant: zoneRedundant
    alwaysReadyHttp: alwaysReadyHttp
    restrictCallers: restrictCallers
    allowedIps: allowedIps
    videoIndexerId: account.outputs.id
    videoIndexerAccountId: account.outputs.accountId
    videoIndexerLocation: account.outputs.location
    signCallbacks: signCallbacks
    optionalSettings: {
      VIDEO_INDEXER_LANGUAGE: videoIndexerLanguage
      VIDEO_INDEXER_QUOTA_SHARE: videoIndexerQuotaShare
      VIDEO_INDEXER_BACKFILL_SHARE: videoIndexerBackfillShare
      VIDEO_INDEXER_TOKEN: videoIndexerToken
      ERASE_REMOVED: eraseRemoved ? 'true' : 'false'
      RECONCILIATION_SCHEDULE: reconciliationSchedule
      HEALTH_SCHEDULE: healthSchedule
      CALLBACK_BASE_URL: callbackBaseUrl
    }
  }
  dependsOn: [
    roles
    network
  ]
}

module example 'modules/event-grid-example.bicep' = if (withEventGridExample) {
  name: 'event-grid-example'
  scope: group
  params: {
    topicName: names.eventGridTopic
    storageAccountName: names.insightsStorage
    queueName: exampleQueue
    deadLetterContainer: deadLetterContainer
  }
  dependsOn: [
    topic
    // Event Grid tries its access when a subscription is made.
    roles
  ]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    appInsightsName: names.appInsights
    actionGroupName: empty(alertEmail) ? '' : names.actionGroup
    topicName: eventGrid ? names.eventGridTopic : ''
    runbookUrl: runbookUrl
  }
  dependsOn: [
    monitoring
    topic
  ]
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: tags
    appInsightsName: names.appInsights
  }
  dependsOn: [
    monitoring
  ]
}

// azd keeps outputs as environment values; none is a secret, and none has the name of a parameter's variable.
output AZURE_RESOURCE_GROUP string = group.name
output KEYWIRE_APP_NAME string = names.functionApp
output KEYWIRE_ENDPOINT string = functionApp.outputs.endpoint
output KEYWIRE_BLOB_ENDPOINT string = insightsStorage.outputs.blobEndpoint
output KEYWIRE_QUEUE_ENDPOINT string = insightsStorage.outputs.queueEndpoint
output KEYWIRE_STORAGE_ACCOUNT string = names.insightsStorage
output KEYWIRE_KEY_VAULT string = names.keyVault
output KEYWIRE_APP_INSIGHTS string = names.appInsights
output KEYWIRE_TOPIC string = eventGrid ? names.eventGridTopic : ''
output KEYWIRE_VIDEO_INDEXER_ID string = account.outputs.id
// Run it once the app is deployed. The key opens the function `callback` and nothing else.
output KEYWIRE_CALLBACK_URL_COMMAND string = 'az functionapp function keys list --resource-group ${resourceGroupName} --name ${names.functionApp} --function-name callback --query "join(\'\', [\'${functionApp.outputs.endpoint}/api/video-indexer/callback?code=\', default])" --output tsv'
