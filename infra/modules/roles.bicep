// Who may do what: every role assignment there is (Video Indexer's is made by role-on-account.bicep, which this calls).
// Each is on the narrowest resource that works: a container, a queue, a topic, a hub, an account. Nobody gets a role on
// the resource group or the subscription. `principalType` is always there: without it an assignment fails while a new
// identity is not yet known everywhere.
param identityName string
param identityPrincipalId string

@description('A person who operates Keywire; empty for none.')
param operatorPrincipalId string

param hostStorageName string
param insightsStorageName string
param readWriteContainers array
param readContainers array
param workQueues array
param poisonQueues array
param eventsQueue string
param appInsightsName string
param keyVaultName string

@description('Empty: there is no topic.')
param topicName string

@description('Empty: there is no example of a subscription.')
param exampleQueue string
param deadLetterContainer string

@description('Empty: the account\'s log is not read.')
param eventHubNamespaceName string
param eventHubName string

@description('Empty: the Video Indexer account was there before, and its storage is not ours.')
param mediaStorageName string
param videoIndexerSubscription string
param videoIndexerResourceGroup string
param videoIndexerName string
param videoIndexerRole string
param videoIndexerToken string

// Built-in roles by their names in Azure's documentation.
var roleIds = {
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Blob Data Reader': '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  'Storage Queue Data Message Sender': 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  'Storage Queue Data Reader': '19e7f393-937e-4f77-808e-94535e297925'
  'EventGrid Data Sender': 'd5a91429-5739-47e2-a06b-3470a27159e7'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  'Azure Event Hubs Data Receiver': 'a638d3c7-ab3a-418d-83e6-5f17a39d4fde'
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6'
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
}
var roles = {
  blobOwner: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Blob Data Owner'])
  blobContributor: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Blob Data Contributor'])
  blobReader: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Blob Data Reader'])
  tableContributor: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Table Data Contributor'])
  queueContributor: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Queue Data Contributor'])
  queueSender: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Queue Data Message Sender'])
  queueReader: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Queue Data Reader'])
  eventSender: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['EventGrid Data Sender'])
  metricsPublisher: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Monitoring Metrics Publisher'])
  hubReceiver: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Azure Event Hubs Data Receiver'])
  secretsUser: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Key Vault Secrets User'])
  secretsOfficer: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Key Vault Secrets Officer'])
}

// ---- The host's own storage -------------------------------------------------------------------------------------

resource hostStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostStorageName
}

// Storage Blob Data Owner: the host makes containers of its own for locks, keys and checkpoints, and Azure fetches the
// code from one. Documented as what the host needs; on the account, because those containers do not exist yet. It holds
// nothing else.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, identityName, roleIds['Storage Blob Data Owner'])
  scope: hostStorage
  properties: {
    roleDefinitionId: roles.blobOwner
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// Storage Table Data Contributor: the host writes its diagnostic events to a table of that account.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, identityName, roleIds['Storage Table Data Contributor'])
  scope: hostStorage
  properties: {
    roleDefinitionId: roles.tableContributor
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// ---- The insights storage ---------------------------------------------------------------------------------------

resource insightsStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: insightsStorageName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: insightsStorage
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' existing = {
  parent: insightsStorage
  name: 'default'
}

resource ownContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = [for container in readWriteContainers: {
  parent: blobs
  name: container
}]

// Storage Blob Data Contributor: documents, their versions, and what `control` keeps: quota, leases, progress.
resource writeContainers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (container, i) in readWriteContainers: {
  name: guid(insightsStorage.id, container, identityName, roleIds['Storage Blob Data Contributor'])
  scope: ownContainers[i]
  properties: {
    roleDefinitionId: roles.blobContributor
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

resource othersContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = [for container in readContainers: {
  parent: blobs
  name: container
}]

// Storage Blob Data Reader: people write `config`, Keywire reads it.
resource readOnlyContainers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (container, i) in readContainers: {
  name: guid(insightsStorage.id, container, identityName, roleIds['Storage Blob Data Reader'])
  scope: othersContainers[i]
  properties: {
    roleDefinitionId: roles.blobReader
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

resource ownQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' existing = [for queue in workQueues: {
  parent: queues
  name: queue
}]

resource ownPoisonQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' existing = [for queue in poisonQueues: {
  parent: queues
  name: queue
}]

// Storage Queue Data Contributor: Keywire sends, receives, puts off and measures, and the host holds messages. Reader and
// Message Processor together can't put a message off.
resource workOnQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (queue, i) in workQueues: {
  name: guid(insightsStorage.id, queue, identityName, roleIds['Storage Queue Data Contributor'])
  scope: ownQueues[i]
  properties: {
    roleDefinitionId: roles.queueContributor
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

// Storage Queue Data Contributor: the host and Keywire move messages there, `keep_poison` takes them over, a replay takes
// them back.
resource workOnPoisonQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (queue, i) in poisonQueues: {
  name: guid(insightsStorage.id, queue, identityName, roleIds['Storage Queue Data Contributor'])
  scope: ownPoisonQueues[i]
  properties: {
    roleDefinitionId: roles.queueContributor
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

resource eventsOut 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' existing = {
  parent: queues
  name: eventsQueue
}

// Storage Queue Data Message Sender: Keywire adds events, and can't take one from its consumers.
resource sendEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insightsStorage.id, eventsQueue, identityName, roleIds['Storage Queue Data Message Sender'])
  scope: eventsOut
  properties: {
    roleDefinitionId: roles.queueSender
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// Storage Queue Data Reader: its depth and its oldest event are measured, by looking only.
resource measureEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insightsStorage.id, eventsQueue, identityName, roleIds['Storage Queue Data Reader'])
  scope: eventsOut
  properties: {
    roleDefinitionId: roles.queueReader
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// ---- Event Grid -------------------------------------------------------------------------------------------------

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: empty(topicName) ? 'none' : topicName
}

// EventGrid Data Sender: publish to this topic, and nothing about it.
resource publish 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(topicName)) {
  name: guid(topic.id, identityName, roleIds['EventGrid Data Sender'])
  scope: topic
  properties: {
    roleDefinitionId: roles.eventSender
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource exampleDestination 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' existing = {
  parent: queues
  name: empty(exampleQueue) ? 'none' : exampleQueue
}

// Storage Queue Data Message Sender for the topic itself: it delivers the example's events.
resource deliver 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(exampleQueue)) {
  name: guid(insightsStorage.id, exampleQueue, topicName, roleIds['Storage Queue Data Message Sender'])
  scope: exampleDestination
  properties: {
    roleDefinitionId: roles.queueSender
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: blobs
  name: empty(deadLetterContainer) ? 'none' : deadLetterContainer
}

// Storage Blob Data Contributor for the topic itself: it writes what it could not deliver.
resource keepDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deadLetterContainer)) {
  name: guid(insightsStorage.id, deadLetterContainer, topicName, roleIds['Storage Blob Data Contributor'])
  scope: deadLetters
  properties: {
    roleDefinitionId: roles.blobContributor
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

// ---- Telemetry, keys, the account's log -------------------------------------------------------------------------

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: appInsightsName
}

// Monitoring Metrics Publisher: with local auth off, telemetry is taken from those who have it. It reads nothing.
resource sendTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(appInsights.id, identityName, roleIds['Monitoring Metrics Publisher'])
  scope: appInsights
  properties: {
    roleDefinitionId: roles.metricsPublisher
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: keyVaultName
}

// Key Vault Secrets User: the platform resolves CALLBACK_SIGNING_KEYS as this identity. On the vault, which holds that
// one secret: a role on a secret that an operator has yet to make can't be assigned.
resource readSigningKeys 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, identityName, roleIds['Key Vault Secrets User'])
  scope: vault
  properties: {
    roleDefinitionId: roles.secretsUser
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource hubNamespace 'Microsoft.EventHub/namespaces@2024-01-01' existing = {
  name: empty(eventHubNamespaceName) ? 'none' : eventHubNamespaceName
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' existing = {
  parent: hubNamespace
  name: eventHubName
}

// Azure Event Hubs Data Receiver on the one hub: reading by identity, also where Azure Monitor writes by a rule.
resource receiveLog 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(eventHubNamespaceName)) {
  name: guid(hub.id, identityName, roleIds['Azure Event Hubs Data Receiver'])
  scope: hub
  properties: {
    roleDefinitionId: roles.hubReceiver
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// ---- Video Indexer ----------------------------------------------------------------------------------------------

resource mediaStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: empty(mediaStorageName) ? 'none' : mediaStorageName
}

resource newAccount 'Microsoft.VideoIndexer/accounts@2024-01-01' existing = {
  name: videoIndexerName
}

// Storage Blob Data Contributor for a new account's own identity: it keeps its media there. On the storage account,
// because it makes a container per video.
resource keepMedia 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(mediaStorageName)) {
  name: guid(mediaStorage.id, videoIndexerName, roleIds['Storage Blob Data Contributor'])
  scope: mediaStorage
  properties: {
    roleDefinitionId: roles.blobContributor
    principalId: newAccount.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

// Contributor or a custom role, on the one account, in its own resource group.
module askForTokens 'role-on-account.bicep' = if (videoIndexerRole != 'none') {
  name: 'keywire-role-${uniqueString(identityName)}'
  scope: resourceGroup(videoIndexerSubscription, videoIndexerResourceGroup)
  params: {
    accountName: videoIndexerName
    identityName: identityName
    identityPrincipalId: identityPrincipalId
    role: videoIndexerRole
    tokens: videoIndexerToken
  }
}

// ---- The operator -----------------------------------------------------------------------------------------------

// Key Vault Secrets Officer: whoever deployed can put the signing keys in and change them.
resource keepSigningKeys 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(vault.id, operatorPrincipalId, roleIds['Key Vault Secrets Officer'])
  scope: vault
  properties: {
    roleDefinitionId: roles.secretsOfficer
    principalId: operatorPrincipalId
    principalType: 'User'
  }
}

// Storage Queue Data Reader: and look at what was given up. What is done about it, the app's operations do.
resource seePoison 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (queue, i) in poisonQueues: if (!empty(operatorPrincipalId)) {
  name: guid(insightsStorage.id, queue, operatorPrincipalId, roleIds['Storage Queue Data Reader'])
  scope: ownPoisonQueues[i]
  properties: {
    roleDefinitionId: roles.queueReader
    principalId: operatorPrincipalId
    principalType: 'User'
  }
}]

// Storage Blob Data Contributor: and edit interests.json.
resource editConfig 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (container, i) in readContainers: if (!empty(operatorPrincipalId)) {
  name: guid(insightsStorage.id, container, operatorPrincipalId, roleIds['Storage Blob Data Contributor'])
  scope: othersContainers[i]
  properties: {
    roleDefinitionId: roles.blobContributor
    principalId: operatorPrincipalId
    principalType: 'User'
  }
}]
